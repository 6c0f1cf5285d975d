// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// program returns the process of a streaming program of an installation whose
// command line has all the words: there is one.
func program(t *testing.T, words ...string) int {
	t.Helper()
	var found []int
	eventually(t, "there is a program "+strings.Join(words, " "), func() bool {
		all, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		found = nil
		for _, path := range all {
			text, err := os.ReadFile(path)
			line := strings.Split(string(text), "\x00")
			fits := err == nil && line[0] == rig.Program()
			for _, w := range words {
				fits = fits && strings.Contains(string(text), w)
			}
			if pid, err := strconv.Atoi(strings.Split(path, "/")[2]); fits && err == nil {
				found = append(found, pid)
			}
		}
		return len(found) > 0
	})
	if len(found) != 1 {
		t.Fatalf("processes %v are a program %s", found, strings.Join(words, " "))
	}
	return found[0]
}

// TestStreamingProgramsComeBack kills the programs that stand for the streaming
// agent and the gateway: they are back by themselves, whether the server that
// started them is still there or another one (docs/spec/appstream.md section 1.9).
func TestStreamingProgramsComeBack(t *testing.T) {
	t.Parallel()
	f := newStudioOn(t, rig.New(t), "us-east-1", "crash")
	g1 := f.bare("g1")
	fleet := f.running(f.asked("F", g1))
	stack := f.stack(fleet, nil)
	at := f.managementAddress(f.instance(fleet))
	v := f.watch(stack, fleet, "bob")
	u, err := f.as.CreateStreamingURL(t.Context(), &appstream.CreateStreamingURLInput{StackName: &stack, FleetName: &fleet, UserId: aws.String("bob")})
	if err != nil {
		t.Fatal(err)
	}
	door := strings.Split(*u.StreamingURL, "/")[2] // it stays where it is
	for _, begin := range []string{"the server that started them", "another server"} {
		for _, words := range [][]string{{"serve\x00" + at}, {"gateway", f.s.State}} {
			pid := program(t, words...)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			v.ends(t, begin+": "+words[0]+" is killed")
			eventually(t, "another program runs", func() bool { return program(t, words...) != pid })
			eventually(t, "the gateway listens", func() bool {
				c, err := net.Dial("tcp", door)
				return err == nil && c.Close() == nil
			})
			v = f.watch(stack, fleet, "bob")
			v.flows(t, begin+": after "+words[0]+" was killed")
		}
		f.s.Kill(t)
		f.s.Start(t)
		f.reconnectTo("us-east-1")
	}
}

// TestInstancesOnDemand is docs/spec/appstream.md section 1.8: instances wait
// stopped, with their interfaces, and run while somebody has a session.
func TestInstancesOnDemand(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "demand")
	g1, lic := f.bare("g1"), f.group("lic")
	f.allow(lic, permission("tcp", 27000, 27000, g1))
	f.allowEgress(g1, permission("tcp", 27000, 27000, lic))
	server := f.serving(lic, 27000)
	in := f.asked("F", g1)
	in.FleetType, in.ComputeCapacity.DesiredInstances = streaming.FleetTypeOnDemand, aws.Int32(2)
	fleet := f.running(in)
	stack := f.stack(fleet, nil)
	f.wantGroups("a fleet that waits", f.enis(fleet), 2, g1)
	capacity := func(desired, running, used int32) func() bool {
		return func() bool {
			c := f.fleet(fleet).ComputeCapacityStatus
			return *c.Desired == desired && *c.Running == running && *c.InUse == used
		}
	}
	eventually(t, "no instance runs while nobody has a session", capacity(2, 0, 0))
	waiting := map[string]string{} // address by interface
	for _, i := range f.enis(fleet) {
		waiting[*i.NetworkInterfaceId] = *i.PrivateIpAddress
	}

	v := f.watch(stack, fleet, "bob")
	f.awaitConnected(stack, fleet, v)
	if !capacity(2, 1, 1)() {
		t.Errorf("with one session: %+v", f.fleet(fleet).ComputeCapacityStatus)
	}
	var user *guest
	for _, i := range f.enis(fleet) {
		if *i.Attachment.InstanceId == v.instance {
			user = &guest{id: v.instance, ip: *i.PrivateIpAddress, eni: *i.NetworkInterfaceId}
		}
	}
	if user == nil || waiting[user.eni] != user.ip {
		t.Fatalf("the session is on %+v, which did not wait among %v", user, waiting)
	}
	f.s.Made(user.id, user.eni)
	user.enter(t)
	check(t, "in the session", connects(user, "tcp", server.ip, 27000), dropped(connects(user, "tcp", server.ip, 27001)))

	if _, err := f.as.ExpireSession(t.Context(), &appstream.ExpireSessionInput{SessionId: &v.session}); err != nil {
		t.Fatal(err)
	}
	v.ends(t, "the session has expired")
	eventually(t, "a fresh instance waits in its place", func() bool {
		fresh := f.enis(fleet)
		for _, i := range fresh {
			if *i.NetworkInterfaceId == user.eni {
				return false
			}
		}
		return len(fresh) == 2 && capacity(2, 0, 0)()
	})
	f.stopFleet(fleet)
	f.wantGroups("a stopped fleet", f.enis(fleet), 0)
}
