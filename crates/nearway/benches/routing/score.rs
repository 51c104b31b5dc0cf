//! How a world went for one contestant.

use crate::{contestant::Contestant, statistics::Spread, world::Request};

#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) contestant: Contestant,
    /// In the order in which they came.
    pub(crate) ended: Vec<Ended>,
    /// Chats that its regions saw, probes included.
    pub(crate) chats: u64,
    /// Nearway's own; the others keep none.
    pub(crate) account: Option<Account>,
}

/// What came of one request.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) request: Request,
    /// Milliseconds: the first token of a stream, the end of any other; more for an error.
    pub(crate) cost: f64,
    pub(crate) answer: Option<Answer>,
}

/// A good answer. Its times are milliseconds since the client asked first.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// To the first content.
    pub(crate) first: f64,
    /// To the end.
    pub(crate) total: f64,
    /// The region's name for itself.
    pub(crate) region: String,
}

/// What Nearway says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) probes: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// Of the leader, the first one not counted.
    pub(crate) changes: usize,
    /// Probe intervals that it ran for, times regions.
    pub(crate) rounds: f64,
}

impl Score {
    /// Of all requests.
    pub(crate) fn costs(&self) -> Spread {
        Spread::of(&self.ended.iter().map(|ended| ended.cost).collect::<Vec<_>>())
    }

    pub(crate) fn mean(&self) -> f64 {
        self.costs().mean
    }

    /// First tokens of the streams that were answered.
    pub(crate) fn first_tokens(&self) -> Spread {
        let streams = self.ended.iter().filter(|ended| ended.request.streams);
        let times = streams.filter_map(|ended| Some(ended.answer.as_ref()?.first));
        Spread::of(&times.collect::<Vec<_>>())
    }

    /// Ends of all answers.
    pub(crate) fn totals(&self) -> Spread {
        let times = self.ended.iter().filter_map(|ended| Some(ended.answer.as_ref()?.total));
        Spread::of(&times.collect::<Vec<_>>())
    }

    pub(crate) fn errors(&self) -> usize {
        self.ended.iter().filter(|ended| ended.answer.is_none()).count()
    }

    /// Requests to the regions for each of a client, probes left out.
    pub(crate) fn attempts(&self) -> f64 {
        let probes = self.account.map_or(0, |account| account.probes);
        self.chats.saturating_sub(probes) as f64 / self.ended.len() as f64
    }
}

impl Account {
    pub(crate) fn tokens(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }

    /// Of the output of three probes of ten tokens for each region and interval.
    pub(crate) fn output_share(&self) -> f64 {
        self.completion_tokens as f64 / (self.rounds * 3.0 * 10.0)
    }

    /// The same of all that is paid for: prompts count as well, in these probes as in those.
    pub(crate) fn share(&self) -> f64 {
        let prompt = self.prompt_tokens as f64 / self.probes.max(1) as f64;
        self.tokens() as f64 / (self.rounds * 3.0 * (prompt + 10.0))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stream that a region answered, with a token more after ten milliseconds.
    pub(crate) fn ended(at: f64, millis: f64, region: usize) -> Ended {
        let request = Request { at, prompt: 100, streams: true };
        let answer = Answer { first: millis, total: millis + 10.0, region: format!("r{region}") };
        Ended { request, cost: millis, answer: Some(answer) }
    }

    pub(crate) fn failed(at: f64, cost: f64) -> Ended {
        Ended { cost, answer: None, ..ended(at, cost, 0) }
    }

    /// Where each request took so long.
    pub(crate) fn score(contestant: Contestant, times: &[f64]) -> Score {
        let ended = times.iter().zip(0_u32..).map(|(millis, at)| ended(at.into(), *millis, 0));
        let chats = times.len() as u64;
        Score { contestant, ended: ended.collect(), chats, account: None }
    }

    #[test]
    fn first_tokens_are_those_of_streams_whatever_failed_before_them() {
        let mut score = score(Contestant::Nginx, &[100.0, 200.0, 300.0]);
        score.ended[1].request.streams = false;
        score.ended.insert(0, failed(0.0, 1_500.0));
        assert_eq!(score.first_tokens(), Spread::of(&[100.0, 300.0]));
        assert_eq!(score.totals(), Spread::of(&[110.0, 210.0, 310.0]));
        assert_eq!(score.costs(), Spread::of(&[1_500.0, 100.0, 200.0, 300.0]));
        assert_eq!(score.errors(), 1);
    }

    #[test]
    fn probes_are_no_attempts() {
        let mut score = score(Contestant::Nginx, &[1.0; 100]);
        score.chats = 142;
        assert!((score.attempts() - 1.42).abs() < 1e-9);
        let account = Account {
            probes: 40,
            prompt_tokens: 360,
            completion_tokens: 40,
            changes: 0,
            rounds: 120.0,
        };
        score.account = Some(account);
        assert!((score.attempts() - 1.02).abs() < 1e-9);
        assert!((account.output_share() - 40.0 / 3_600.0).abs() < 1e-9);
        // 400 of 120 times three probes of 9 and 10 tokens
        assert!((account.share() - 400.0 / 6_840.0).abs() < 1e-9);
    }

    #[test]
    fn three_probes_of_ten_tokens_are_the_whole_share() {
        let account = Account {
            probes: 360,
            prompt_tokens: 9 * 360,
            completion_tokens: 10 * 360,
            changes: 0,
            rounds: 120.0,
        };
        assert!((account.share() - 1.0).abs() < 1e-9);
        assert!((account.output_share() - 1.0).abs() < 1e-9);
    }
}
