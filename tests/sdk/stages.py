"""Where a scenario plays: which proxy its client speaks to, and in front of which regions.

A stage counts what the scenario cost, as the regions and the client saw it.
"""

import contextlib

import httpx
import openai

import harness


class Ground:
    """What all scenarios share: the worlds, and the proxies that no scenario disturbs."""

    def __init__(self, folder):
        self.folder = folder
        self.ends = contextlib.ExitStack()
        self.made = {}

    def world(self, regions):
        return self._once(f"{regions}-regions", harness.simulated, "--regions", str(regions))

    def proxy(self, name, config):
        return self._once(name, lambda folder: harness.served(config, folder))

    def _once(self, name, make, *more):
        if name not in self.made:
            folder = self.folder / name
            folder.mkdir()
            self.made[name] = self.ends.enter_context(make(folder, *more))
        return self.made[name]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self.ends.__exit__(*error)


class Stage:
    """One proxy in front of one region: nothing can be in the wrong place."""

    # in the test's id
    name = "one-region"
    # in its world
    regions = 1
    # no region is asked in vain, since the proxy that is asked has seen the answer with the id
    knows = True
    # the Node SDK's scenarios can be played here
    speaks_node = True

    def __init__(self, ground, folder, dialect):
        self.ground = ground
        self.folder = folder
        self.dialect = dialect
        self.world = ground.world(self.regions)
        self.ends = contextlib.ExitStack()
        self.clients = {}
        # every answer that was not a success, as the client saw it
        self.refused = []
        self.before = self.seen()
        self.proxy = self.serve()

    def configuration(self):
        return harness.configuration(self.world)

    def serve(self):
        return self.ground.proxy(self.name, self.configuration())

    def creating(self):
        """A client for what makes an object that names no other one."""
        return self.client(self.proxy)

    def later(self):
        """A client for what names objects: it says nothing of where they are."""
        return self.client(self.proxy)

    def client(self, proxy, region=None):
        """Pinned if a region is given. Made once, since that takes a tenth of a second."""
        key = (proxy.url, region)
        if key not in self.clients:
            headers = {"x-nearway-region": region} if region else {}
            http_client = openai.DefaultHttpxClient(event_hooks={"response": [self.look_at]})
            client = self.dialect(proxy.url, http_client=http_client, default_headers=headers)
            self.clients[key] = self.ends.enter_context(client)
        return self.clients[key]

    def environment(self):
        """The same for the Node SDK."""
        return {
            "NEARWAY_URL": self.proxy.url,
            "NEARWAY_LATER_URL": self.proxy.url,
            "NEARWAY_HOME": "",
        }

    def look_at(self, response):
        if not response.is_success:
            self.refused.append(f"{response.status_code} {response.request.url.path}")

    def seen(self):
        """Requests that regions refused since they do not have the object: all, and writes."""
        stats = [
            httpx.get(f"{self.world.control}/regions/{region['name']}/stats").json()
            for region in self.world.regions
        ]
        asked = sum(sum(each["not_here"].values()) for each in stats)
        return asked, sum(each["not_here_writes"] for each in stats)

    def cost(self):
        """The same since the stage began: the round trips that it took to find objects."""
        return tuple(now - before for now, before in zip(self.seen(), self.before))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self.ends.__exit__(*error)

class ThreeRegions(Stage):
    """Objects are made in the farthest region; all that follows would go to the nearest one."""

    name = "three-regions"
    regions = 3

    def configuration(self):
        return harness.configuration(self.world, state=self.state())

    def state(self):
        """The section of the configuration; a list shows what all regions have."""
        return {"lists": "merge"}

    def creating(self):
        return self.client(self.proxy, self.home)

    @property
    def home(self):
        return self.world.regions[-1]["name"]

    def environment(self):
        return {**super().environment(), "NEARWAY_HOME": self.home}


class TwoProxies(ThreeRegions):
    """Each step goes to the other one of two proxies, which know nothing of one another."""

    name = "two-proxies"
    knows = False

    def __init__(self, *more):
        super().__init__(*more)
        other = self.ground.proxy(f"{self.name}-other", self.configuration())
        self.last, self.next = self.proxy, other

    def later(self):
        self.last, self.next = self.next, self.last
        return self.client(self.last)

    def environment(self):
        return {**super().environment(), "NEARWAY_LATER_URL": self.next.url}


class Restarted(ThreeRegions):
    """The proxy is started anew after each making, and knows nothing any more."""

    name = "restarted"
    knows = False
    # nobody would tell when it is time for it
    speaks_node = False

    def __init__(self, *more):
        self.running = contextlib.ExitStack()
        self.starts = 0
        self.makes = False
        super().__init__(*more)

    def serve(self):
        self.running.close()
        self.starts += 1
        folder = self.folder / f"start-{self.starts}"
        folder.mkdir()
        return self.running.enter_context(harness.served(self.configuration(), folder))

    def creating(self):
        self.makes = True
        return super().creating()

    def later(self):
        if self.makes:
            self.makes = False
            self.proxy = self.serve()
        return super().later()

    def __exit__(self, *error):
        # the clients first: their connections are open
        super().__exit__(*error)
        self.running.close()


class RestartedWithFile(Restarted):
    """The same with a file, from which the proxy knows all that it ever knew."""

    name = "restarted-with-file"
    knows = True

    def state(self):
        return {**super().state(), "file": str(self.folder / "state")}


ALL = [Stage, ThreeRegions, TwoProxies, Restarted, RestartedWithFile]
