// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/secgroup"
)

// desk plays everything behind the socket: who keeps claims, the host, its devices.
// What is claimed is enforced at once if slow is false.
type desk struct {
	mu       sync.Mutex
	devices  map[string]instance.Device
	claims   map[string]agent.ClaimStatus
	moved    chan struct{}
	slow     bool
	refusal  error    // of the next claims and releases
	closed   []string // claims that are simply gone, whose device stays closed
	reported []string // given back
	asked    []New
}

func (d *desk) Find(name string) (instance.Device, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch found, ok := d.devices[name]; {
	case name == "ppp0":
		return instance.Device{}, errors.New("device ppp0 carries no Ethernet frames")
	case !ok:
		return found, fmt.Errorf("%w: %s", instance.ErrNoDevice, name)
	default:
		return found, nil
	}
}

func (d *desk) Claim(_ context.Context, eni string, of Device) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refusal != nil {
		return d.refusal
	}
	c := agent.ClaimStatus{Interface: eni, Device: of.Name, MAC: of.MAC.String(), Own: of.Own, For: of.For, Groups: []string{"sg-1"}, State: agent.ClaimAbsent}
	if found, there := d.devices[of.Name]; there && !d.slow {
		c.State, c.Revision, c.Index = agent.ClaimEnforced, 7, found.Index
	}
	d.claims[eni] = c
	d.signal()
	return nil
}

func (d *desk) ClaimNew(ctx context.Context, n New, of Device) (string, error) {
	d.mu.Lock()
	d.asked = append(d.asked, n)
	d.mu.Unlock()
	return "eni-new", d.Claim(ctx, "eni-new", of)
}

func (d *desk) Release(_ context.Context, eni string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, claimed := d.claims[eni]
	if d.refusal != nil || !claimed {
		return false, d.refusal
	}
	if c.State != agent.ClaimReleased && !d.slow {
		c.State, c.Index = agent.ClaimReleased, 0
		d.claims[eni] = c
		d.signal()
	}
	return true, nil
}

func (d *desk) ReportReleased(_ context.Context, eni string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reported = append(d.reported, eni)
	delete(d.claims, eni)
	d.signal()
	return nil
}

func (d *desk) Claims() (all []agent.ClaimStatus, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.claims {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b agent.ClaimStatus) int { return strings.Compare(a.Interface, b.Interface) })
	return all, d.moved
}

func (d *desk) Look(string) {}

func (d *desk) Forget(_ context.Context, eni string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.closed)
	d.closed = slices.DeleteFunc(d.closed, func(id string) bool { return id == eni })
	return len(d.closed) < n, nil
}

func (d *desk) signal() {
	close(d.moved)
	d.moved = make(chan struct{})
}

// set changes what a claim has become, and says so.
func (d *desk) set(c agent.ClaimStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.claims[c.Interface] = c
	d.signal()
}

// open serves a desk at a socket until the test ends.
func open(t *testing.T) (*desk, *Server, *attach.Client) {
	t.Helper()
	d := &desk{
		devices: map[string]instance.Device{"tap0": {Name: "tap0", Index: 7, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 7}}},
		claims:  map[string]agent.ClaimStatus{}, moved: make(chan struct{}),
	}
	s := NewServer(d, d, func(context.Context) error { return d.refusal }, slog.New(slog.DiscardHandler))
	s.devices = d
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: s.Handler()}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return d, s, &attach.Client{Socket: socket, Wait: 20 * time.Second}
}

// wants expects a refusal with a code and a text.
func wants(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	if !attach.Is(err, code) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, want %s: …%s…", what, err, code, text)
	}
}

func TestWhatIsAskedIsClaimedAndAnswered(t *testing.T) {
	d, _, c := open(t)
	want := &attach.Interface{ENI: "eni-1", Device: "tap0", MAC: "02:00:00:00:00:01", Groups: []string{"sg-1"}, For: "vm/1", Index: 7, State: attach.Enforced, Revision: 7}
	got, err := c.Attach(t.Context(), "eni-1", attach.Request{Device: "tap0", MAC: "02:00:00:00:00:01", For: "vm/1"})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	all, err := c.List(t.Context())
	if diff := cmp.Diff([]attach.Interface{*want}, all); diff != "" || err != nil {
		t.Errorf("listed: %v (-want +got)\n%s", err, diff)
	}
	if at, err := c.At(t.Context(), "tap0"); err != nil || at == nil || at.ENI != "eni-1" {
		t.Errorf("at tap0 is %+v, %v", at, err)
	}
	if at, err := c.At(t.Context(), "tap1"); err != nil || at != nil {
		t.Errorf("at tap1 is %+v, %v", at, err)
	}
	// A NIC of the host is its own far end.
	if own, err := c.AttachNew(t.Context(), attach.Request{Device: "tap0", Own: true, Subnet: "subnet-1", Groups: []string{"web"}, Addresses: []string{"10.0.0.9", "2001:db8::9"}}); err != nil || own.MAC != "02:00:00:00:00:07" {
		t.Errorf("%+v, %v", own, err)
	}
	if len(d.asked) != 1 || d.asked[0].Subnet != "subnet-1" || fmt.Sprint(d.asked[0].Addresses) != "[10.0.0.9 2001:db8::9]" || fmt.Sprint(d.asked[0].Groups) != "[web]" {
		t.Errorf("asked for %+v", d.asked)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	d, _, c := open(t)
	attachTo := func(r attach.Request) error { _, err := c.Attach(t.Context(), "eni-1", r); return err }
	wants(t, "no device", attachTo(attach.Request{Device: "tap9"}), attach.NoDevice, "make it first, or say that it is expected")
	wants(t, "no Ethernet", attachTo(attach.Request{Device: "ppp0"}), attach.BadRequest, "no Ethernet frames")
	wants(t, "no MAC address", attachTo(attach.Request{Device: "tap0", MAC: "x"}), attach.BadRequest, `"x" is no MAC address`)
	_, err := c.AttachNew(t.Context(), attach.Request{Device: "tap0", Subnet: "subnet-1", Addresses: []string{"10.0.0.x"}})
	wants(t, "no address", err, attach.BadRequest, `"10.0.0.x" is no address`)
	wants(t, "nobody's", c.Detach(t.Context(), "eni-9"), attach.NotClaimed, "ask it what it has claimed")
	if len(d.claims) != 0 {
		t.Errorf("a refusal leaves %+v", d.claims)
	}

	d.refusal = secgroup.Errorf("InvalidNetworkInterface.InUse", "Another has it.")
	wants(t, "another's", attachTo(attach.Request{Device: "tap0"}), "InvalidNetworkInterface.InUse", "Another has it.")
	d.refusal = errors.New("the server is away")
	wants(t, "without a server", attachTo(attach.Request{Device: "tap0"}), attach.Unavailable, "the server is away")
	wants(t, "without a server", c.Detach(t.Context(), "eni-1"), attach.Unavailable, "the server is away")
	wants(t, "without a server", c.Ready(t.Context()), attach.Unavailable, "the server is away")

	none := &attach.Client{Socket: c.Socket + "-none"}
	if _, err := none.List(t.Context()); err == nil || !strings.Contains(err.Error(), "start hedgeward, or name its socket") {
		t.Errorf("without a host: %v", err)
	}
}

// TestOnlyTheDocumentedRequestsAreUnderstood sends what the client would not.
func TestOnlyTheDocumentedRequestsAreUnderstood(t *testing.T) {
	d, s, _ := open(t)
	for _, bad := range []struct{ method, path, body, want string }{
		{"PUT", "/v1/interfaces/eni-1", `{"device":"tap0","grups":["x"]}`, "no JSON object of the documented members"},
		{"PUT", "/v1/interfaces/eni-1", `[]`, "no JSON object"},
		{"PUT", "/v1/interfaces/eni-1", ``, "no JSON object"},
		{"PUT", "/v1/interfaces/eni-1", `{"description":"` + strings.Repeat("x", 1<<20) + `"}`, "too large"},
		{"PUT", "/v1/interfaces/eni-1?wait=soon", `{"device":"tap0"}`, "no number of seconds"},
		{"PUT", "/v1/interfaces/eni-1?wait=3601", `{"device":"tap0"}`, "no number of seconds"},
		{"PUT", "/v1/interfaces/eni-1?wait=NaN", `{"device":"tap0"}`, "no number of seconds"},
		{"GET", "/v1/interfaces/eni-1", ``, "has not claimed eni-1"},
		{"PATCH", "/v1/interfaces/eni-1", `{}`, "Method Not Allowed"},
	} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), bad.method, bad.path, strings.NewReader(bad.body)))
		if w.Code/100 != 4 || !strings.Contains(w.Body.String(), bad.want) {
			t.Errorf("%s %s %.40s: %d %s", bad.method, bad.path, bad.body, w.Code, w.Body.String())
		}
	}
	if len(d.claims) != 0 {
		t.Errorf("claimed: %+v", d.claims)
	}
}

// TestAnAnswerWaitsForTheDeviceThatIsThere: enforced at a device of the same name
// that is gone, or with another MAC address, is not enforced.
func TestAnAnswerWaitsForTheDeviceThatIsThere(t *testing.T) {
	d, _, c := open(t)
	d.slow = true
	said := make(chan error, 1)
	go func() {
		i, err := c.Attach(t.Context(), "eni-1", attach.Request{Device: "tap0", MAC: "02:00:00:00:00:02"})
		if err == nil && i.Revision != 9 {
			err = fmt.Errorf("answered %+v", i)
		}
		said <- err
	}()
	for claimed := false; !claimed; {
		all, changed := d.Claims()
		if claimed = len(all) == 1; !claimed {
			<-changed
		}
	}
	now := agent.ClaimStatus{Interface: "eni-1", Device: "tap0", MAC: "02:00:00:00:00:02", State: agent.ClaimClosed, Index: 7, Revision: 8}
	for _, wrong := range []func(*agent.ClaimStatus){
		func(*agent.ClaimStatus) {},
		func(c *agent.ClaimStatus) { c.State, c.Index = agent.ClaimEnforced, 6 },
		func(c *agent.ClaimStatus) { c.State, c.MAC = agent.ClaimEnforced, "02:00:00:00:00:01" },
		func(c *agent.ClaimStatus) { c.State, c.Device = agent.ClaimEnforced, "tap1" },
	} {
		c := now
		wrong(&c)
		d.set(c)
	}
	now.State, now.Revision = agent.ClaimEnforced, 9
	d.set(now)
	if err := <-said; err != nil {
		t.Error(err)
	}

	hasty := &attach.Client{Socket: c.Socket, Wait: time.Millisecond}
	now.State, now.Detail = agent.ClaimFailed, "the kernel says no"
	d.set(now)
	_, err := hasty.Attach(t.Context(), "eni-1", attach.Request{Device: "tap0"})
	wants(t, "not in time", err, attach.NotEnforced, "not enforced yet but absent")
	if eni := attach.Left(err); eni != "eni-1" {
		t.Errorf("it says that %q is left", eni)
	}
	if i, err := c.Attach(t.Context(), "eni-2", attach.Request{Device: "tap5", Expect: true}); err != nil || i.State != attach.Absent {
		t.Errorf("expected: %+v, %v", i, err)
	}
}

func TestADeviceIsOpenWhenDetachAnswers(t *testing.T) {
	d, s, c := open(t)
	if _, err := c.Attach(t.Context(), "eni-1", attach.Request{Device: "tap0"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Detach(t.Context(), "eni-1"); err != nil {
		t.Error(err)
	}
	if len(d.claims) != 0 || !slices.Equal(d.reported, []string{"eni-1"}) {
		t.Errorf("%+v, reported %v", d.claims, d.reported)
	}
	wants(t, "twice", c.Detach(t.Context(), "eni-1"), attach.NotClaimed, "eni-1")
	d.closed = []string{"eni-3"} // deleted with its account, for example
	if err := c.Detach(t.Context(), "eni-3"); err != nil {
		t.Error(err)
	}

	if _, err := c.Attach(t.Context(), "eni-1", attach.Request{Device: "tap0"}); err != nil {
		t.Fatal(err)
	}
	d.slow = true
	hasty := &attach.Client{Socket: c.Socket, Wait: time.Millisecond}
	wants(t, "not in time", hasty.Detach(t.Context(), "eni-1"), attach.NotEnforced, "given up but still enforced")

	// What an earlier process was asked to give back is reported by Run.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	d.set(agent.ClaimStatus{Interface: "eni-1", Device: "tap0", State: agent.ClaimReleased})
	for reported := false; !reported; {
		_, changed := d.Claims()
		d.mu.Lock()
		reported = len(d.reported) == 2
		d.mu.Unlock()
		if !reported {
			<-changed
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
