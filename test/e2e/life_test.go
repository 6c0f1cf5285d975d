// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/test/rig"
)

// liveness is a server with connections of every kind that must outlive its
// process.
type liveness struct {
	*world
	web             string // admits tcp and udp 80 from within
	server, guest   *guest
	tcp, udp, local *connection // local is untracked on both sides
}

const inVPC = "10.8.0.0/16"

func newLiveness(t *testing.T, s *rig.Server) *liveness {
	t.Helper()
	l := &liveness{world: newWorld(t, s, "us-east-1", inVPC)}
	l.web = l.group("web")
	l.allow(l.web, permission("tcp", 80, 80, inVPC))
	l.allow(l.web, permission("udp", 80, 80, inVPC))
	l.allow(l.web, permission("icmp", 8, -1, inVPC))
	l.allow(l.web, permission("tcp", 8080, 8080, anywhere))
	g := l.run(l.web, l.group("guest"))
	l.server, l.guest = g[0], g[1]
	l.server.listen(t, 80, 81, 8080)
	l.open()
	return l
}

// open makes the connections.
func (l *liveness) open() {
	l.t.Helper()
	l.tcp = talk(l.t, l.guest, "tcp", l.server.ip, 80, "")
	l.udp = talk(l.t, l.guest, "udp", l.server.ip, 80, "")
	l.local = talk(l.t, l.guest, "tcp", l.server.ip, 8080, "")
	check(l.t, "at first", pings(l.guest, l.server.ip, 7))
}

// inForce checks that live connections live, that what is allowed can be opened
// and nothing else.
func (l *liveness) inForce(when string) {
	l.t.Helper()
	check(l.t, when, l.tcp.goesOn(), l.udp.goesOn(), l.local.goesOn(), pings(l.guest, l.server.ip, 7),
		connects(l.guest, "tcp", l.server.ip, 80), connects(l.guest, "udp", l.server.ip, 80), connects(l.guest, "tcp", l.server.ip, 8080),
		pings(l.guest, l.server.ip, 8),
		dropped(connects(l.guest, "tcp", l.server.ip, 81)), dropped(connects(l.server, "tcp", l.guest.ip, 80)), dropped(pings(l.server, l.guest.ip, 7)))
}

// seen is everything that the API shows, and as whom.
func (l *liveness) seen() map[string]any {
	l.t.Helper()
	ctx, out := l.t.Context(), map[string]any{}
	note := func(what string, v any, err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatalf("describe %s: %v", what, err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			l.t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(b, &plain); err != nil {
			l.t.Fatal(err)
		}
		delete(plain.(map[string]any), "ResultMetadata")
		out[what] = plain
	}
	vpcs, err := l.api.DescribeVpcs(ctx, nil)
	note("VPCs", vpcs, err)
	subnets, err := l.api.DescribeSubnets(ctx, nil)
	note("subnets", subnets, err)
	groups, err := l.api.DescribeSecurityGroups(ctx, nil)
	note("groups", groups, err)
	rules, err := l.api.DescribeSecurityGroupRules(ctx, nil)
	note("rules", rules, err)
	interfaces, err := l.api.DescribeNetworkInterfaces(ctx, nil)
	note("interfaces", interfaces, err)
	instances, err := l.api.DescribeInstances(ctx, nil)
	note("instances", instances, err)
	tags, err := l.api.DescribeTags(ctx, nil)
	note("tags", tags, err)
	caller, err := sts.NewFromConfig(l.s.API.Config).GetCallerIdentity(ctx, nil)
	note("caller", caller, err)
	key, err := l.s.API.Config.Credentials.Retrieve(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	out["key"] = key.AccessKeyID + " " + key.SecretAccessKey
	return out
}

// sameAs compares what the API shows with an earlier time.
func (l *liveness) sameAs(before map[string]any, when string) {
	l.t.Helper()
	if diff := cmp.Diff(before, l.seen()); diff != "" {
		l.t.Errorf("%s, -before +after:\n%s", when, diff)
	}
}

// TestProcessEndsAndEnforcementStays ends the process in the middle of live
// connections, politely and not, and starts it again on the same state: nothing
// changes for a packet, and nothing for a client.
func TestProcessEndsAndEnforcementStays(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	l := newLiveness(t, s)
	_, err := l.api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{l.server.id}, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("server")}}})
	if err != nil {
		t.Fatal(err)
	}
	before := l.seen()
	l.inForce("served")

	for _, end := range []struct {
		how string
		end func()
	}{
		{"Ctrl-C", func() { s.Interrupt(t) }},
		{"kill -9", func() { s.Kill(t) }},
		{"TERM", func() {
			if err := s.Signal(syscall.SIGTERM); err != nil {
				t.Errorf("after TERM: %v", err)
			}
		}},
	} {
		end.end()
		l.inForce("no process after " + end.how)
		s.Refuses(t, []string{"hedgeward up"}, "wait")
		if got := l.inside(l.server, "sh", "-c", "echo $HOSTNAME"); got != "ip-"+strings.ReplaceAll(l.server.ip, ".", "-")+"\n" {
			t.Errorf("exec without a server prints %q", got)
		}
		s.Start(t)
		l.reconnect()
		l.inForce("served again after " + end.how)
		l.sameAs(before, "after "+end.how)
	}

	// The new process reaches what the old ones made.
	l.revoke(l.web, permission("tcp", 80, 80, inVPC))
	l.revoke(l.web, permission("tcp", 8080, 8080, anywhere))
	late := l.run(l.web)[0]
	late.listen(t, 80)
	s.Settle(t)
	check(t, "changed by a later process", l.tcp.goesOn(), l.udp.goesOn(), dropped(connects(l.guest, "tcp", l.server.ip, 80)),
		connects(l.guest, "udp", late.ip, 80), dropped(connects(l.guest, "tcp", late.ip, 80)))
}

// TestAnsweredChangesSurviveKill kills the process at once after an answer: the
// next one has all of them in force before it says that it is ready.
func TestAnsweredChangesSurviveKill(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	l := newLiveness(t, s)
	opened := l.group("opened")
	l.allow(opened, permission("tcp", 81, 81, inVPC))
	l.revoke(l.web, permission("tcp", 80, 80, inVPC))
	l.join(l.server, l.web, opened)
	s.Kill(t)
	s.Start(t)
	l.reconnect()
	changed := []probe{
		l.tcp.goesOn(), connects(l.guest, "tcp", l.server.ip, 81), connects(l.guest, "tcp", l.server.ip, 8080),
		dropped(connects(l.guest, "tcp", l.server.ip, 80)),
	}
	check(t, "changes before the kill", changed...)

	// Launched, stopped and terminated as the process dies: finished by the next.
	_, err := l.api.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{l.guest.id}})
	if err != nil {
		t.Fatal(err)
	}
	doomed := l.launch(&ec2.RunInstancesInput{SubnetId: &l.subnet})
	_, err = l.api.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{doomed.id}})
	if err != nil {
		t.Fatal(err)
	}
	var launched []*guest
	for range 4 {
		launched = append(launched, l.launch(&ec2.RunInstancesInput{SubnetId: &l.subnet, SecurityGroupIds: []string{opened}}))
	}
	s.Kill(t)
	s.Start(t)
	l.reconnect()
	l.awaitRunning(append(launched, l.server)...)
	l.awaitStopped(l.guest)
	l.awaitTerminated(doomed)
	for _, g := range launched {
		g.enter(t)
		g.listen(t, 81)
	}
	check(t, "launched under the kill", connects(launched[0], "tcp", launched[1].ip, 81), connects(launched[1], "tcp", launched[2].ip, 81),
		connects(launched[2], "tcp", l.server.ip, 81), dropped(connects(launched[3], "tcp", l.server.ip, 80)))
	for _, gone := range []*guest{l.guest, doomed} {
		if _, status, err := rig.Run("exec", gone.id, "--", "true"); err != nil || status == 0 {
			t.Errorf("%s runs on: status %d, %v", gone.id, status, err)
		}
	}
}
