// SPDX-License-Identifier: Apache-2.0

package control

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// here is a Presence that tests set.
type here struct {
	mu        sync.Mutex
	connected map[string]bool
}

func (h *here) Connected(host string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.connected[host]
}

func (h *here) set(hosts ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connected = map[string]bool{}
	for _, name := range hosts {
		h.connected[name] = true
	}
}

// cluster is networks with hosts that joined.
type cluster struct {
	*networks
	here   *here
	subnet string
}

func newCluster(t *testing.T, hosts ...string) *cluster {
	present := &here{}
	c := &cluster{networks: newNetworks(t, Config{Presence: present}), here: present}
	c.subnet = c.network("10.0.0.0/24", "").subnet.ID
	for _, name := range hosts {
		c.join(name, netip.Addr{})
	}
	present.set(hosts...)
	return c
}

// join makes a host with a token of its own.
func (c *cluster) join(name string, underlay netip.Addr) {
	c.t.Helper()
	digest := sha256.Sum256([]byte(name))
	now := c.now()
	c.must(c.PutJoinToken(c.t.Context(), secgroup.JoinToken{ID: "token-" + name, Digest: digest[:], Created: now, Expires: now.Add(time.Hour)}))
	c.must(c.AdmitHost(c.t.Context(), "token-"+name, digest[:], secgroup.Host{Name: name, Underlay: underlay, Serial: "1", Joined: now}))
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// launch runs so many instances and returns them.
func (c *cluster) launch(n int) []*secgroup.Instance {
	c.t.Helper()
	l := launchIn(c.subnet)
	l.Min, l.Max = n, n
	return c.run(l)
}

func hostsOf(instances []*secgroup.Instance) (names []string) {
	for _, in := range instances {
		names = append(names, in.Host)
	}
	slices.Sort(names)
	return names
}

// TestInstancesGoWhereTheFewestAre, among hosts that are connected and enabled.
func TestInstancesGoWhereTheFewestAre(t *testing.T) {
	c := newCluster(t, "a", "b", "c", "d")
	c.here.set("a", "b", "c")
	c.must(c.SetHostDisabled(t.Context(), "c", true))
	if got := hostsOf(c.launch(5)); !slices.Equal(got, []string{"a", "a", "a", "b", "b"}) {
		t.Errorf("five instances are on %v", got)
	}
	c.here.set("a", "b", "d")
	if got := hostsOf(c.launch(3)); !slices.Equal(got, []string{"b", "d", "d"}) {
		t.Errorf("three more are on %v", got)
	}
	c.here.set()
	_, err := c.RunInstances(t.Context(), alice, launchIn(c.subnet))
	refused(t, err, errNoCapacity.Error())
}

// TestStoppedInstanceMovesFromAHostThatIsAway, and only then.
func TestStoppedInstanceMovesFromAHostThatIsAway(t *testing.T) {
	c := newCluster(t, "a", "b")
	in := c.launch(1)[0]
	stop := func(host string) {
		t.Helper()
		c.must(c.ReportInstance(t.Context(), host, in.ID, secgroup.Running, ""))
		_, err := c.StopInstances(t.Context(), alice, in.ID)
		c.must(err)
		c.must(c.ReportInstance(t.Context(), host, in.ID, secgroup.Stopped, ""))
	}
	start := func() string {
		t.Helper()
		_, err := c.StartInstances(t.Context(), alice, in.ID)
		c.must(err)
		return c.Read().Instances.Get(in.ID).Host
	}
	stop("a")
	c.launch(1) // b
	c.launch(1) // a has no fewer than b
	if host := start(); host != "a" {
		t.Errorf("it starts on %s though a is there", host)
	}
	stop("a")
	c.here.set()
	_, err := c.StartInstances(t.Context(), alice, in.ID)
	refused(t, err, errNoCapacity.Error())
	c.here.set("b")
	if host := start(); host != "b" {
		t.Errorf("it starts on %s though only b is there", host)
	}
}

// TestHostReportsItsOwnAlone: what it says of others' changes nothing.
func TestHostReportsItsOwnAlone(t *testing.T) {
	c := newCluster(t, "a", "b")
	in := c.launch(1)[0]
	for _, state := range []secgroup.InstanceState{secgroup.Running, secgroup.Stopped, secgroup.Terminated} {
		if err := c.ReportInstance(t.Context(), "b", in.ID, state, "mine now"); !errors.Is(err, ErrNotOnHost) {
			t.Errorf("b reports it %s: %v", state, err)
		}
		if got := c.Read().Instances.Get(in.ID); got.State != secgroup.Pending || got.Reason != "" {
			t.Errorf("b made it %s: %s", got.State, got.Reason)
		}
	}
	c.must(c.ReportInstance(t.Context(), "a", in.ID, secgroup.Running, ""))
	if got := c.Read().Instances.Get(in.ID).State; got != secgroup.Running {
		t.Errorf("its own host's report leaves it %s", got)
	}
}

// TestHostInUseIsNotRemoved unless it is lost, and then its instances can start
// elsewhere with what they have.
func TestHostInUseIsNotRemoved(t *testing.T) {
	c := newCluster(t, "a", "b")
	c.here.set("a")
	running, ending := c.launch(1)[0], c.launch(1)[0]
	for _, in := range []*secgroup.Instance{running, ending} {
		c.must(c.ReportInstance(t.Context(), "a", in.ID, secgroup.Running, ""))
	}
	_, err := c.TerminateInstances(t.Context(), alice, ending.ID)
	c.must(err)
	if err := c.RemoveHost(t.Context(), "a", false); err == nil || !strings.HasPrefix(err.Error(), secgroup.HostInUse) {
		t.Fatalf("got %v", err)
	}
	had := Attached(c.Read(), running.ID)[0].Addresses
	c.must(c.RemoveHost(t.Context(), "a", true))
	snap := c.Read()
	if got := snap.Instances.Get(running.ID); got.State != secgroup.Stopped || got.Host != "" || !strings.HasPrefix(got.Reason, "Server.HostLost") {
		t.Errorf("the running instance is %+v", got)
	}
	if got := snap.Instances.Get(ending.ID); got.State != secgroup.Terminated {
		t.Errorf("the one that was ending is %s", got.State)
	}
	c.here.set("b")
	_, err = c.StartInstances(t.Context(), alice, running.ID)
	c.must(err)
	snap = c.Read()
	if got := snap.Instances.Get(running.ID); got.Host != "b" || !slices.Equal(Attached(snap, running.ID)[0].Addresses, had) {
		t.Errorf("it starts as %+v", got)
	}
	if n := snap.Instances.Count(model.ByHost, "a"); n != 0 || c.Host("a") != nil {
		t.Errorf("a counts %d instances; its row is %v", n, c.Host("a"))
	}
}

// TestWhatALostHostHadClaimedIsFree: without the machine nobody else could give it up.
func TestWhatALostHostHadClaimedIsFree(t *testing.T) {
	c := newCluster(t, "a", "b")
	kept := c.create(InterfaceSpec{Subnet: c.subnet})
	c.must(c.claim("a", kept.ID, "tap0"))
	made, err := c.ClaimNewInterface(t.Context(), "a", InterfaceSpec{Subnet: c.subnet}, ClaimedDevice{Name: "tap1"})
	c.must(err)
	others, err := c.ClaimNewInterface(t.Context(), "b", InterfaceSpec{Subnet: c.subnet}, ClaimedDevice{Name: "tap1"})
	c.must(err)
	if err := c.RemoveHost(t.Context(), "a", false); err == nil || !strings.HasPrefix(err.Error(), secgroup.HostInUse+": The interface ") || c.Host("a") == nil {
		t.Fatalf("got %v", err)
	}
	c.must(c.RemoveHost(t.Context(), "a", true))
	if i := c.iface(kept.ID); i == nil || i.Attachment != nil {
		t.Errorf("what it had claimed is %+v", i)
	}
	if c.iface(made) != nil || c.iface(others).Claimed() == nil {
		t.Error("what was made for its device is left, or another host's is gone")
	}
}

// TestUnderlayIsOneHosts: two hosts at one address would get each other's packets.
func TestUnderlayIsOneHosts(t *testing.T) {
	at := netip.MustParseAddr("192.0.2.1")
	c := newCluster(t)
	c.join("a", at)
	digest := sha256.Sum256([]byte("b"))
	now := c.now()
	c.must(c.PutJoinToken(t.Context(), secgroup.JoinToken{ID: "token-b", Digest: digest[:], Created: now, Expires: now.Add(time.Hour)}))
	b := secgroup.Host{Name: "b", Underlay: at, Serial: "2", Joined: now}
	taken := func(err error) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), secgroup.UnderlayTaken) {
			t.Errorf("got %v", err)
		}
	}
	taken(c.AdmitHost(t.Context(), "token-b", digest[:], b))
	c.must(c.SetHostDisabled(t.Context(), "a", true))
	c.must(c.AdmitHost(t.Context(), "token-b", digest[:], b)) // nobody is sent to a
	taken(c.SetHostDisabled(t.Context(), "a", false))
	moved := b
	moved.Underlay = netip.MustParseAddr("192.0.2.2")
	moved.Serial = "3"
	c.must(c.RenewHost(t.Context(), "2", moved))
	c.must(c.SetHostDisabled(t.Context(), "a", false))
	moved.Underlay = at
	taken(c.RenewHost(t.Context(), "3", moved))
}

// TestUsedTokensAreForgotten a day later, and not before: whoever tries one again
// is told.
func TestUsedTokensAreForgotten(t *testing.T) {
	c := newCluster(t)
	c.join("a", netip.Addr{})
	digest := sha256.Sum256([]byte("a"))
	for _, step := range []struct {
		after time.Duration
		code  string
	}{{23 * time.Hour, secgroup.JoinTokenUsed}, {time.Hour, secgroup.JoinTokenUnknown}} {
		c.clock.Advance(step.after)
		c.must(c.PurgeTerminated(t.Context()))
		if err := c.CheckJoinToken("token-a", digest[:], "b"); err == nil || !strings.HasPrefix(err.Error(), step.code) {
			t.Errorf("%v later: %v", step.after, err)
		}
	}
	if got := c.JoinTokens(); len(got) != 0 {
		t.Errorf("%d tokens", len(got))
	}
}
