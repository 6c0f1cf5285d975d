// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/internal/testnet"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/test/faults/history"
)

// agentsPort is where servers take hosts.
const agentsPort = 4567

// newHosts makes machines that run an agent each, of the programs in a folder, joined
// to all replicas, with the wire as the network between them.
func newHosts(t *testing.T, w *wire, r *replicas, count int, programs string) []*node {
	t.Helper()
	var hosts []*node
	for i := range count {
		h := w.node(fmt.Sprintf("host%d", i))
		h.bin = programs
		said := r.nodes[0].run("hedgeward", "--state", filepath.Join(r.nodes[0].dir, "state"), "host", "token", "create", "--name", h.name)
		lines := strings.Split(strings.TrimSpace(said), "\n")
		join := []string{"--state", filepath.Join(h.dir, "state"), "join", "--token", lines[len(lines)-1], "--name", h.name, "--underlay", h.address}
		for _, s := range r.nodes {
			join = append(join, "--server", fmt.Sprintf("https://%s:%d", s.address, agentsPort))
		}
		h.run("hedgeward-agent", join...)
		if err := launchAgent(h); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			h.stop(syscall.SIGKILL)
			h.run("hedgeward-agent", "--state", filepath.Join(h.dir, "state"), "down")
		})
		hosts = append(hosts, h)
	}
	return hosts
}

// launchAgent runs a host's agent, new or again.
func launchAgent(h *node) error {
	return h.launch("following", filepath.Join(h.bin, "hedgeward-agent"), "--state", filepath.Join(h.dir, "state"), "run")
}

// guests are instances, two on each host, which carry the group of the workload's
// rules and one whose rules stay.
type guests struct {
	spaces    []*testnet.NS
	addresses []string
	lanes     string // the group whose rules stay
}

// openPort is allowed all through a run, shutPort is not.
const (
	openPort = 7000
	shutPort = 7001
)

func newGuests(t *testing.T, c *ec2.Client, w *world, count int) *guests {
	t.Helper()
	ctx := t.Context()
	lanes, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &w.vpc, GroupName: aws.String("lanes"), Description: aws.String("lanes")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: lanes.GroupId, IpProtocol: aws.String("udp"), FromPort: aws.Int32(openPort), ToPort: aws.Int32(openPort), CidrIp: aws.String("10.9.0.0/16"),
	}); err != nil {
		t.Fatal(err)
	}
	out, err := c.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: aws.String("ami-netns"), InstanceType: types.InstanceTypeT3Micro, SubnetId: &w.subnet, SecurityGroupIds: []string{w.group, *lanes.GroupId},
		MinCount: aws.Int32(int32(count)), MaxCount: aws.Int32(int32(count)),
	})
	if err != nil {
		t.Fatal(err)
	}
	g := &guests{lanes: *lanes.GroupId}
	for _, i := range out.Instances {
		eventually(t, *i.InstanceId+" runs", func() error {
			now, err := c.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{*i.InstanceId}})
			if err != nil {
				return err
			}
			if state := now.Reservations[0].Instances[0].State.Name; state != types.InstanceStateNameRunning {
				return fmt.Errorf("it is %s", state)
			}
			return nil
		})
		g.spaces = append(g.spaces, testnet.Named(t, "hedgeward-"+*i.InstanceId))
		g.addresses = append(g.addresses, *i.PrivateIpAddress)
	}
	return g
}

// cutAgent makes the wire forget what a host and the servers say to each other,
// all of it or that many of 100 packets, and nothing else.
func cutAgent(h *node, percent int) {
	h.nft("delete table netdev cut", true)
	if percent == 0 {
		return
	}
	chance := fmt.Sprintf("numgen random mod 100 < %d", min(percent, 99))
	if percent == 100 {
		chance = ""
	}
	h.nft(fmt.Sprintf("table netdev cut {\n chain in { type filter hook ingress device %q priority 0; tcp dport %d %s drop; }\n}", h.port, agentsPort, chance), false)
}

// Agents are killed, frozen and cut off, and servers and etcd with them, while
// rules change. A datagram that is allowed all the time is never lost and one that
// is forbidden all the time never gets through, on one host or between two; and
// once everything is well again, what is enforced is what the store says.
func TestHosts(t *testing.T) {
	seed := testrand.Seed(t)
	w := newWire(t)
	etcd := newCluster(t, w, 0)
	r := newReplicas(t, w, etcd, 2, "--agents", fmt.Sprintf("0.0.0.0:%d", agentsPort))
	from := w.node("client")
	hosts := newHosts(t, w, r, 2, bin)
	load := &workload{t: t, record: history.New(), seed: seed, pause: 30 * time.Millisecond}
	for _, n := range r.nodes {
		load.clients = append(load.clients, r.client(t, n, from))
	}
	load.world = newWorld(t, load.clients[0])
	g := newGuests(t, load.clients[0], load.world, 4)

	n := &nemesis{t: t, replicas: r, client: etcd.client(t, from), random: rand.New(rand.NewPCG(seed, 1))}
	for _, h := range hosts {
		n.more = append(n.more,
			fault{"an agent is killed", func() { h.stop(syscall.SIGKILL) }, func() {
				if err := launchAgent(h); err != nil {
					t.Error(err)
				}
			}},
			fault{"an agent is frozen", func() { h.signal(syscall.SIGSTOP) }, func() { h.signal(syscall.SIGCONT) }},
			fault{"an agent is cut off", func() { cutAgent(h, 100) }, func() { cutAgent(h, 0) }},
			fault{"an agent's way to the servers is lossy", func() { cutAgent(h, 20) }, func() { cutAgent(h, 0) }},
		)
	}
	sent := startLanes(t, g)
	load.begin(3)
	done := n.rage(*long)
	load.end()
	load.readAll()
	judge(t, load, done)

	eventually(t, "what is enforced is what the store says", func() error { return g.wantRules(t, load) })
	if err := history.Datagrams(sent.Stop()); err != nil {
		t.Error(err)
	} else {
		t.Logf("check datagrams: %d lanes, none lost, none leaked", sent.Count())
	}
}

// wantRules checks that between all instances exactly the ports are open for
// which there is a rule.
func (g *guests) wantRules(t *testing.T, load *workload) error {
	t.Helper()
	open := 0
	for i := range load.world.places {
		p := &load.world.places[i]
		var port int
		if _, err := fmt.Sscanf(p.key, "rule for port %d", &port); err != nil {
			continue
		}
		there, _, err := p.look(t.Context(), load.clients[0])
		if err != nil {
			return err
		}
		for a, space := range g.spaces {
			to := fmt.Sprintf("%s:%d", g.addresses[(a+1)%len(g.addresses)], port)
			passes := errors.Is(dialIn(space, to), syscall.ECONNREFUSED) // nobody listens: a refusal is an answer
			if passes != (there != "") {
				return fmt.Errorf("a connection to %s gets an answer: %v, and the store has the rule: %v", to, passes, there != "")
			}
			if passes {
				open++
			}
		}
	}
	t.Logf("check no stale policy: %d ways open, as the store says", open)
	return nil
}
