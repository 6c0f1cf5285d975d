// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/faults/history"
	"github.com/hedgeward/hedgeward/test/faults/lanes"
)

// upgraded is an installation whose programs are replaced while packets flow.
type upgraded struct {
	*testing.T
	client  *ec2.Client
	world   *world
	guests  *guests
	lanes   *lanes.Lanes
	talks   *talks
	settled func() // waits until what was answered is in force
	whole   string // what the API shows
	port    int32  // of the last rule that was tried
}

// begin fills an installation and lets packets flow.
func (u *upgraded) begin(instances int) {
	u.Helper()
	u.world = newWorld(u.T, u.client)
	u.guests = newGuests(u.T, u.client, u.world, instances)
	if _, err := u.client.AuthorizeSecurityGroupIngress(u.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &u.guests.lanes, IpProtocol: aws.String("tcp"), FromPort: aws.Int32(talkPort), ToPort: aws.Int32(talkPort), CidrIp: aws.String("10.9.0.0/16"),
	}); err != nil {
		u.Fatal(err)
	}
	u.settled()
	var err error
	if u.whole, err = u.shown(); err != nil {
		u.Fatal(err)
	}
	u.lanes, u.talks = startLanes(u.T, u.guests), startTalks(u.T, u.guests)
}

// shown returns what clients see of the installation.
func (u *upgraded) shown() (string, error) {
	ctx := u.Context()
	var failed error
	ask := func(err error) { failed = errors.Join(failed, err) }
	vpcs, err := u.client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	ask(err)
	subnets, err := u.client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	ask(err)
	groups, err := u.client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	ask(err)
	rules, err := u.client.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{})
	ask(err)
	instances, err := u.client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	ask(err)
	interfaces, err := u.client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{})
	ask(err)
	if failed != nil {
		return "", failed
	}
	for i := range interfaces.NetworkInterfaces { // how far enforcement is, is no part of what was asked for
		interfaces.NetworkInterfaces[i].TagSet = nil
	}
	text, err := json.MarshalIndent([]any{
		vpcs.Vpcs, subnets.Subnets, groups.SecurityGroups, rules.SecurityGroupRules, instances.Reservations, interfaces.NetworkInterfaces,
	}, "", " ")
	return string(text), err
}

// replace stops a node's program and runs the one of another folder.
func (u *upgraded) replace(n *node, with string, launch func(*node) error) {
	u.Helper()
	n.stop(syscall.SIGTERM)
	n.bin = with
	if err := launch(n); err != nil {
		u.Fatal(err)
	}
}

// holds checks one mixture of programs: the API shows what it showed, connections go on,
// and a rule comes into force and goes again.
func (u *upgraded) holds(mixture string) {
	u.Helper()
	eventually(u.T, mixture+": the API", func() error {
		now, err := u.shown()
		if err == nil && now != u.whole {
			err = fmt.Errorf("it shows\n%s\ninstead of\n%s", now, u.whole)
		}
		return err
	})
	u.port++
	port := 9000 + u.port
	permissions := []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: aws.String("10.9.0.0/16")}},
	}}
	if _, err := u.client.AuthorizeSecurityGroupIngress(u.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &u.world.group, IpPermissions: permissions}); err != nil {
		u.Fatalf("%s: %v", mixture, err)
	}
	u.settled()
	u.open(mixture, port, true)
	if _, err := u.client.RevokeSecurityGroupIngress(u.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &u.world.group, IpPermissions: permissions}); err != nil {
		u.Fatalf("%s: %v", mixture, err)
	}
	u.settled()
	u.open(mixture, port, false)
	u.talks.goOn(u.T)
	u.Logf("%s: the API is whole, a rule came and went, connections go on", mixture)
}

// open checks that a port is open, or shut, between each guest and the next, one on
// the other host among them.
func (u *upgraded) open(mixture string, port int32, want bool) {
	u.Helper()
	var asking sync.WaitGroup // what is shut takes a second
	for i, space := range u.guests.spaces {
		to := fmt.Sprintf("%s:%d", u.guests.addresses[(i+1)%len(u.guests.addresses)], port)
		asking.Go(func() {
			if got := errors.Is(dialIn(space, to), syscall.ECONNREFUSED); got != want { // nobody listens: a refusal is an answer
				u.Errorf("%s: a connection to %s gets an answer: %v, want %v", mixture, to, got, want)
			}
		})
	}
	asking.Wait()
}

// end judges what the guests saw.
func (u *upgraded) end() {
	u.Helper()
	u.talks.stop()
	if err := history.Datagrams(u.lanes.Stop()); err != nil {
		u.Error(err)
		return
	}
	rounds := int64(0)
	for _, one := range u.talks.all {
		rounds += one.rounds.Load()
	}
	u.Logf("check datagrams: %d lanes, none lost, none leaked; %d connections went on, with %d answers", u.lanes.Count(), len(u.talks.all), rounds)
}

// Programs of the previous build are replaced by those of this one, and back, in the
// orders that docs/operating.md allows: agents before the server and after it. While that
// happens no allowed datagram is lost, no forbidden one arrives, connections go on, and
// in every mixture changes come into force.
func TestUpgradeOfServerAndHosts(t *testing.T) {
	old := previous(t)
	w := newWire(t)
	s := w.node("server0")
	s.bin = old
	r := &replicas{nodes: []*node{s}, more: []string{"--agents", fmt.Sprintf("0.0.0.0:%d", agentsPort)}}
	if err := r.launch(s); err != nil {
		t.Fatal(err)
	}
	hosts := newHosts(t, w, r, 2, old)
	u := &upgraded{T: t, client: r.client(t, s, w.node("client"))}
	u.settled = func() {
		s.run("hedgeward", "--state", filepath.Join(s.dir, "state"), "wait", "--timeout", patience.String())
	}
	u.begin(4)
	u.holds("all of the previous build")
	for _, step := range []struct {
		mixture string
		what    []*node
		with    string
	}{
		{"previous server, one host of this build", hosts[:1], bin},
		{"previous server, hosts of this build", hosts[1:], bin},
		{"all of this build", []*node{s}, bin},
		{"server of this build, previous hosts", hosts, old},
		{"server of this build, one host too", hosts[:1], bin},
		{"all of this build again", hosts[1:], bin},
		{"previous server again, hosts of this build", []*node{s}, old},
		{"all of the previous build again", hosts, old},
		{"all of this build, the server first", append([]*node{s}, hosts...), bin},
	} {
		for _, n := range step.what {
			launch := launchAgent
			if n == s {
				launch = r.launch
			}
			u.replace(n, step.with, launch)
		}
		u.holds(step.mixture)
	}
	u.end()
}

// The same for an installation that is one process: its kernel state is taken over by
// the next build and by the previous one.
func TestUpgradeOfOneProcess(t *testing.T) {
	old := previous(t)
	w := newWire(t)
	n := w.node("all")
	n.bin = old
	state := filepath.Join(n.dir, "state")
	launch := func(n *node) error {
		return n.launch("hedgeward down", filepath.Join(n.bin, "hedgeward"), "up", "--state", state, "--listen", "127.0.0.1:4566")
	}
	if err := launch(n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.stop(syscall.SIGKILL)
		n.run("hedgeward", "down", "--state", state)
	})
	r := &replicas{nodes: []*node{n}}
	u := &upgraded{T: t, client: r.clientAt(t, "http://127.0.0.1:4566", n)}
	u.settled = func() { n.run("hedgeward", "wait", "--state", state) }
	u.begin(3)
	u.holds("the previous build")
	for _, step := range []struct{ mixture, with string }{{"this build", bin}, {"the previous build again", old}, {"this build again", bin}} {
		u.replace(n, step.with, launch)
		u.holds(step.mixture)
	}
	u.end()
}
