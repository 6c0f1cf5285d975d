// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// fault is one way in which a part fails. hurt does it; heal ends it.
type fault struct {
	name       string
	hurt, heal func()
}

// nemesis hurts an installation in ways that it must survive.
type nemesis struct {
	t        *testing.T
	replicas *replicas
	client   *clientv3.Client // of etcd, to ask who leads
	random   *rand.Rand
	more     []fault // of hosts
	only     []fault // if any, instead of all others
}

func (n *nemesis) faults() []fault {
	if n.only != nil {
		return n.only
	}
	server := n.replicas.nodes[n.random.IntN(len(n.replicas.nodes))]
	etcd := n.replicas.etcd
	member := etcd.members[n.random.IntN(len(etcd.members))]
	other := etcd.members[(n.random.IntN(len(etcd.members)-1)+1+indexOf(etcd.members, member))%len(etcd.members)]
	leader := etcd.leader(n.t.Context(), n.client)
	if leader == nil {
		leader = member
	}
	relaunch := func(launch func(*node) error, nodes ...*node) func() {
		return func() {
			done := make(chan error, len(nodes))
			for _, m := range nodes {
				go func() { done <- launch(m) }()
			}
			for range nodes {
				if err := <-done; err != nil {
					n.t.Error(err)
				}
			}
		}
	}
	return append([]fault{
		{"a server is killed", func() { server.stop(syscall.SIGKILL) }, relaunch(n.replicas.launch, server)},
		{"a server is frozen", func() { server.signal(syscall.SIGSTOP) }, func() { server.signal(syscall.SIGCONT) }},
		{"a server is cut off", server.unplug, server.plug},
		{"a server ends as it is told", func() { server.stop(syscall.SIGTERM) }, relaunch(n.replicas.launch, server)},
		{"a server's wire is lossy", func() { server.lossy(20) }, func() { server.lossy(0) }},
		{"an etcd member is killed", func() { member.stop(syscall.SIGKILL) }, relaunch(etcd.launch, member)},
		{"etcd's leader is killed", func() { leader.stop(syscall.SIGKILL) }, relaunch(etcd.launch, leader)},
		{"etcd's leader is cut off", leader.unplug, leader.plug},
		{"etcd's leader is frozen", func() { leader.signal(syscall.SIGSTOP) }, func() { leader.signal(syscall.SIGCONT) }},
		{"etcd's leader moves", func() { n.move(leader, other) }, func() {}},
		{"an etcd member's disk is full", member.fillDisk, func() { member.freeDisk(); restart(etcd.launch, n.t, member) }},
		{"the disks of etcd's majority are full", func() { member.fillDisk(); other.fillDisk() }, func() {
			member.freeDisk()
			other.freeDisk()
			restart(etcd.launch, n.t, member, other)
		}},
		{"etcd loses its quorum", func() { member.stop(syscall.SIGKILL); other.stop(syscall.SIGKILL) }, relaunch(etcd.launch, member, other)},
	}, n.more...)
}

func indexOf(all []*node, one *node) int {
	for i, m := range all {
		if m == one {
			return i
		}
	}
	return 0
}

// move asks the leader to hand over to another member. It may have lost the lead
// already.
func (n *nemesis) move(leader, to *node) {
	ctx, cancel := context.WithTimeout(n.t.Context(), 2*time.Second)
	defer cancel()
	status, err := n.client.Status(ctx, "https://"+to.address+":2379")
	if err != nil {
		return
	}
	client := n.replicas.etcd.client(n.t, n.replicas.nodes[0], leader)
	if _, err := client.MoveLeader(ctx, status.Header.MemberId); err != nil {
		n.t.Logf("the leader did not move: %v", err)
	}
}

// rage hurts and heals, one fault at a time, each kind at least once in turn, for
// as long as it is told.
func (n *nemesis) rage(long time.Duration) (done map[string]int) {
	done = map[string]int{}
	end := time.Now().Add(long)
	order := n.random.Perm(len(n.faults()))
	for i := 0; time.Now().Before(end); i++ {
		f := n.faults()[order[i%len(order)]]
		n.t.Logf("%s", f.name)
		done[f.name]++
		f.hurt()
		n.wait(500*time.Millisecond + time.Duration(n.random.IntN(2500))*time.Millisecond)
		f.heal()
		n.wait(time.Duration(n.random.IntN(1000)) * time.Millisecond)
	}
	return done
}

func (n *nemesis) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-n.t.Context().Done():
	}
}
