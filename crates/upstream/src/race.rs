//! Several addresses, one connection: the first that is there wins (RFC 8305, simplified).
//!
//! A family of addresses that leads nowhere costs a quarter of a second instead of the whole connect
//! timeout. Not taken over: waiting for a second lookup (`getaddrinfo` brings both families at
//! once) and learning from earlier connections.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;

use crate::unopened::Unopened;

/// Connects to one of the addresses. Those that are still under way when one succeeds are dropped,
/// which closes them.
///
/// # Errors
/// What went wrong with the last one that failed, once all have; it is this machine's doing only if
/// all were: one that has no IPv6 says of such an address that there is none to call from.
pub(crate) async fn race<T, F>(
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Unopened>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = alternated(addresses).into_iter();
    let mut racing: Vec<Racer<F>> = Vec::new();
    let mut last: Option<Unopened> = None;
    loop {
        match waiting.next() {
            Some(address) => racing.push((address, Box::pin(connect(address)))),
            None if racing.is_empty() => return Err(last.unwrap_or_default()),
            None => {}
        }
        tokio::select! {
            biased;
            (address, outcome) = poll_fn(|cx| poll_first(&mut racing, cx)) => match outcome {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    let unopened = Unopened::new(address, &error);
                    if !unopened.is_local() || last.as_ref().is_none_or(Unopened::is_local) {
                        last = Some(unopened);
                    }
                }
            },
            () = sleep(ATTEMPT_DELAY), if !waiting.as_slice().is_empty() => {}
        }
    }
}

/// An attempt that is under way.
type Racer<F> = (SocketAddr, Pin<Box<F>>);

/// Takes out one that has ended, in the order in which they began.
fn poll_first<T, F>(
    racing: &mut Vec<Racer<F>>,
    cx: &mut Context<'_>,
) -> Poll<(SocketAddr, io::Result<T>)>
where
    F: Future<Output = io::Result<T>>,
{
    for place in 0..racing.len() {
        if let Some((address, attempt)) = racing.get_mut(place)
            && let Poll::Ready(outcome) = attempt.as_mut().poll(cx)
        {
            let address = *address;
            drop(racing.remove(place));
            return Poll::Ready((address, outcome));
        }
    }
    Poll::Pending
}

/// The families take turns, beginning with the one that the resolver lists first (it sorts by
/// RFC 6724); within a family its order stays.
fn alternated(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let begins_with_6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let family = |is_first: bool| {
        addresses.iter().filter(move |address| (address.is_ipv6() == begins_with_6) == is_first)
    };
    let (mut first, mut second) = (family(true), family(false));
    let mut order = Vec::with_capacity(addresses.len());
    while order.len() < addresses.len() {
        order.extend(first.next());
        order.extend(second.next());
    }
    order.truncate(ADDRESSES_MAX);
    order
}

/// Between the beginnings of two attempts, unless one fails before (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// No more are tried: by then the connect timeout has passed, or all that are left are alike.
const ADDRESSES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::*;

    /// `4` and `6` with a number, such as `"61 41"`.
    fn list(text: &str) -> Vec<SocketAddr> {
        let address = |name: &str| match name.split_at(1) {
            ("4", number) => format!("10.0.0.{number}:443").parse().unwrap(),
            (_, number) => format!("[2001:db8::{number}]:443").parse().unwrap(),
        };
        text.split_whitespace().map(address).collect()
    }

    #[test]
    fn families_take_turns() {
        for (listed, order) in [
            ("", ""),
            ("41", "41"),
            ("41 42 43", "41 42 43"),
            ("61 62 41 42", "61 41 62 42"),
            ("41 42 61 62", "41 61 42 62"),
            ("61 62 63 41", "61 41 62 63"),
            ("41 61 62 63", "41 61 62 63"),
            ("61 41 42", "61 41 42"),
        ] {
            assert_eq!(alternated(&list(listed)), list(order), "{listed}");
        }
        let many = list(&"61 62 63 64 ".repeat(10));
        assert_eq!(alternated(&many).len(), ADDRESSES_MAX);
    }

    #[derive(Clone, Copy)]
    enum Does {
        Connects(u64),
        Fails(u64),
        Nothing,
    }

    /// What comes of a race (its winner's place or the last failure's) after how many milliseconds,
    /// and when each attempt began.
    async fn run(racers: &[Does]) -> (Result<usize, usize>, u64, Vec<u64>) {
        let places: Vec<SocketAddr> = (0..)
            .take(racers.len())
            .map(|place| SocketAddr::from(([10, 0, 0, 1], place)))
            .collect();
        let began = Instant::now();
        let since = move || u64::try_from((Instant::now() - began).as_millis()).unwrap();
        let starts = RefCell::new(Vec::new());
        let won = race(&places, |address| {
            starts.borrow_mut().push(since());
            let place = usize::from(address.port());
            let does = racers[place];
            async move {
                let (millis, outcome) = match does {
                    Does::Connects(millis) => (millis, Ok(place)),
                    Does::Fails(millis) => (millis, Err(io::ErrorKind::ConnectionRefused.into())),
                    Does::Nothing => return std::future::pending().await,
                };
                sleep(Duration::from_millis(millis)).await;
                outcome
            }
        });
        let won = won.await.map_err(|failure| {
            let failed =
                |address: &SocketAddr| failure.to_string().starts_with(&format!("{address}: "));
            places.iter().position(failed).unwrap()
        });
        (won, since(), starts.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_connection_wins_and_a_refusal_is_not_waited_out() {
        use Does::{Connects, Fails, Nothing};
        let cases = [
            (&[Connects(10), Connects(10)][..], Ok(0), 10, &[0][..]),
            (&[Connects(300), Connects(10)], Ok(1), 260, &[0, 250]),
            (&[Connects(300), Connects(100)], Ok(0), 300, &[0, 250]),
            (&[Nothing, Nothing, Connects(5)], Ok(2), 505, &[0, 250, 500]),
            (&[Fails(20), Connects(5)], Ok(1), 25, &[0, 20]),
            (&[Connects(400), Fails(20), Connects(10)], Ok(2), 280, &[0, 250, 270]),
            (&[Fails(1), Fails(2)], Err(1), 3, &[0, 1]),
            (&[Fails(600), Fails(2)], Err(0), 600, &[0, 250]),
        ];
        for (number, (racers, won, millis, starts)) in (1..).zip(cases) {
            assert_eq!(run(racers).await, (won, millis, starts.to_vec()), "case {number}");
        }
    }

    #[tokio::test]
    async fn it_is_this_machines_doing_only_if_all_failures_are() {
        const EMFILE: i32 = 24;
        const ECONNREFUSED: i32 = 111;
        for (codes, is_local) in [
            (&[EMFILE][..], true),
            (&[EMFILE, EMFILE], true),
            (&[EMFILE, ECONNREFUSED], false),
            (&[ECONNREFUSED, EMFILE], false),
        ] {
            let places: Vec<SocketAddr> =
                (0..).take(codes.len()).map(|place| ([10, 0, 0, 1], place).into()).collect();
            let failure = race(&places, async |place: SocketAddr| {
                let code = codes[usize::from(place.port())];
                Err::<(), _>(io::Error::from_raw_os_error(code))
            });
            assert_eq!(failure.await.unwrap_err().is_local(), is_local, "{codes:?}");
        }
    }

    #[tokio::test]
    async fn a_family_where_nobody_listens_is_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let refused = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], open.port()));
        let stream = race(&[refused, open], TcpStream::connect).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        drop(listener);
        let failure = race(&[open], TcpStream::connect).await.unwrap_err();
        assert!(failure.to_string().starts_with(&open.to_string()), "{failure}");
    }
}
