// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// foreign makes things with names like ours that are somebody else's, and checks
// when the test ends that nobody has touched them.
func foreign(t *testing.T) {
	t.Helper()
	const namespace, device = "hedgeward-i-00000000000f0e1d2", "hwf0e1d2"
	for _, c := range []struct{ add, show, remove []string }{
		{[]string{"netns", "add", namespace}, []string{"netns", "exec", namespace, "true"}, []string{"netns", "delete", namespace}},
		{[]string{"link", "add", device, "type", "veth", "peer", "name", device + "p"}, []string{"link", "show", device}, []string{"link", "delete", device}},
	} {
		ip(t, c.add...)
		t.Cleanup(func() {
			ip(t, c.show...)
			ip(t, c.remove...)
		})
	}
}

// ip runs the ip command and wants it to succeed.
func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// eventually waits for something that has no event to wait for.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(brief)
	defer tick.Stop()
	limit := time.After(rig.Timeout)
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not after %s: %s", rig.Timeout, what)
		}
	}
}

// TestDownRemovesEveryTrace takes an installation off the machine, says what
// went, touches nothing else, and lets it come back.
func TestDownRemovesEveryTrace(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	foreign(t)
	l := newLiveness(t, s)
	two := l.launch(&ec2.RunInstancesInput{InstanceType: types.InstanceTypeT3Small, NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{
		{DeviceIndex: aws.Int32(0), SubnetId: &l.subnet}, {DeviceIndex: aws.Int32(1), SubnetId: &l.subnet},
	}})
	l.awaitRunning(two)
	before := l.seen()
	if got := s.Traces(); len(got) != len(s.Devices)+1 {
		t.Fatalf("on the machine are %v, want %v and %s", got, s.Devices, s.Pins())
	}
	s.Refuses(t, []string{"state folder in use", "Ctrl-C"}, "down")
	l.inForce("after a down that was refused")
	status := s.Command(t, "status")
	for _, g := range []*guest{l.server, l.guest, two} {
		if !strings.Contains(status, g.id) || !strings.Contains(status, g.eni) {
			t.Errorf("status does not show %s and %s:\n%s", g.id, g.eni, status)
		}
	}
	s.Interrupt(t)
	if status := s.Command(t, "status"); !strings.Contains(status, "No server runs") || !strings.Contains(status, l.server.eni) {
		t.Errorf("status without a server:\n%s", status)
	}

	out := s.Command(t, "down")
	for _, path := range s.Devices {
		kind := "namespace "
		if strings.HasPrefix(path, "/sys/class/net/") {
			kind = "link "
		}
		if !strings.Contains(out, "removed "+kind+filepath.Base(path)) {
			t.Errorf("down does not say that it removed %s:\n%s", path, out)
		}
	}
	if !strings.Contains(out, "removed "+s.Pins()+"/") {
		t.Errorf("down does not say that it removed pins:\n%s", out)
	}
	if left := s.Traces(); len(left) > 0 {
		t.Errorf("left on the machine: %v", left)
	}
	if _, err := os.Stat(s.State); err != nil {
		t.Errorf("the state folder: %v", err)
	}
	if out := s.Command(t, "down"); out != "There is nothing to remove.\n" {
		t.Errorf("down for the second time says %q", out)
	}
	if status := s.Command(t, "status"); !strings.Contains(status, "No interface is in force") {
		t.Errorf("status after down:\n%s", status)
	}

	s.Start(t)
	l.reconnect()
	l.awaitRunning(l.server, l.guest, two)
	l.sameAs(before, "after down and up")
	l.server.enter(t)
	l.guest.enter(t)
	l.server.listen(t, 80, 81, 8080)
	l.open()
	l.inForce("made anew")
}

// TestLeftoversOfALostStore starts on a state folder whose store is gone, as
// after a restored backup: instances that nobody knows any more are removed, and
// the new installation works.
func TestLeftoversOfALostStore(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	l := newLiveness(t, s)
	s.Kill(t)
	if err := os.RemoveAll(filepath.Join(s.State, "etcd")); err != nil {
		t.Fatal(err)
	}
	// And a namespace whose devices a crashed run had not made yet.
	const half = "i-0000000000000beef"
	s.Made(half)
	ip(t, "netns", "add", "hedgeward-"+half)
	ip(t, "-n", "hedgeward-"+half, "link", "set", "lo", "alias", "hedgeward "+half)
	if err := os.MkdirAll(filepath.Join(s.State, "instances", half), 0o700); err != nil {
		t.Fatal(err)
	}
	left := s.Devices
	s.Start(t)
	eventually(t, "leftovers are removed", func() bool {
		for _, path := range left {
			if _, err := os.Lstat(path); err == nil {
				return false
			}
		}
		return true
	})
	s.Devices = nil
	l.world = newWorld(t, s, "us-east-1", inVPC)
	again := l.run(l.group("web"))
	if status := s.Command(t, "status"); strings.Contains(status, l.server.eni) || !strings.Contains(status, again[0].eni) {
		t.Errorf("status:\n%s", status)
	}
}
