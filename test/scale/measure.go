// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// settleFor is how long nothing may have been told for everything to be told.
const settleFor = 2 * time.Second

// watchers is how many hosts have an instance whose rules name the group that
// instances join.
const watchers = 100

// changedPort is what rules come and go for.
const changedPort = 20000

// measure fills the installation and measures it, in the order of the table.
func measure(ctx context.Context, o options, s *server, f *fleet, t *table) error {
	idle, err := s.resident()
	if err != nil {
		return err
	}
	t.row("hosts that follow", "%d, %.0f kB of the server each", len(f.hosts), idle/float64(len(f.hosts))/1e3)
	w := &world{server: s}
	if err := w.fill(ctx, o, f); err != nil {
		return err
	}
	full, err := s.resident()
	if err != nil {
		return err
	}
	t.row("instances that run", "%d, %.1f kB of the server each; resident %.0f MB", o.instances, (full-idle)/float64(o.instances)/1e3, full/1e6)

	everywhere, err := w.changes(ctx, o.changes, f.hosts, f, func(n int) error {
		if n%2 == 0 {
			return w.authorize(ctx, w.app, changedPort)
		}
		return w.revoke(ctx, w.app, changedPort)
	})
	if err != nil {
		return err
	}
	everywhere.print(t, fmt.Sprintf("a rule more or less of a group on all %d hosts", len(f.hosts)))
	near := f.hosts[:0:0]
	for _, h := range f.hosts {
		if h.watches() {
			near = append(near, h)
		}
	}
	joins, err := w.changes(ctx, o.changes, near, f, func(int) error { return w.run(ctx, 1, w.app) })
	if err != nil {
		return err
	}
	joins.print(t, fmt.Sprintf("a member that joins a group of %d, %d hosts watch", o.instances, len(near)))
	return storm(ctx, s, f, t, w)
}

// world is what the installation holds.
type world struct {
	*server
	subnet, app, db string
}

func (w *world) fill(ctx context.Context, o options, f *fleet) error {
	for _, q := range []string{"instances-per-region", "interfaces-per-region"} {
		if said, err := exec.CommandContext(ctx, o.program, "quota", "set", q, strconv.Itoa(10*o.instances), "--state", w.state).CombinedOutput(); err != nil {
			return fmt.Errorf("raise %s: %w: %s", q, err, said)
		}
	}
	v, err := w.api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.50.0.0/16")})
	if err != nil {
		return err
	}
	n, err := w.api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: aws.String("10.50.0.0/16")})
	if err != nil {
		return err
	}
	w.subnet = *n.Subnet.SubnetId
	for _, g := range []struct {
		name string
		id   *string
	}{{"app", &w.app}, {"db", &w.db}} {
		out, err := w.api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: v.Vpc.VpcId, GroupName: &g.name, Description: &g.name})
		if err != nil {
			return err
		}
		*g.id = *out.GroupId
	}
	for port := range int32(50) {
		if err := w.authorize(ctx, w.app, 1000+port); err != nil {
			return err
		}
	}
	if _, err := w.api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &w.db, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &w.app}},
	}}}); err != nil {
		return err
	}
	if err := w.run(ctx, min(watchers, len(f.hosts)), w.app, w.db); err != nil {
		return err
	}
	for left := o.instances - min(watchers, len(f.hosts)); left > 0; {
		batch := min(left, 200)
		if err := w.run(ctx, batch, w.app); err != nil {
			return err
		}
		left -= batch
	}
	return f.settle(ctx)
}

func (w *world) run(ctx context.Context, count int, groups ...string) error {
	_, err := w.api.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: aws.String("ami-netns"), InstanceType: types.InstanceTypeT3Micro, SubnetId: &w.subnet, SecurityGroupIds: groups,
		MinCount: aws.Int32(int32(count)), MaxCount: aws.Int32(int32(count)),
	})
	return err
}

func (w *world) authorize(ctx context.Context, group string, port int32) error {
	_, err := w.api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, CidrIp: aws.String("192.0.2.0/24"),
	})
	return err
}

func (w *world) revoke(ctx context.Context, group string, port int32) error {
	_, err := w.api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
		GroupId: &group, IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, CidrIp: aws.String("192.0.2.0/24"),
	})
	return err
}

// settle returns when no host has been told anything for a while.
func (f *fleet) settle(ctx context.Context) error {
	for {
		f.mu.Lock()
		moved := f.moved
		f.mu.Unlock()
		select {
		case <-moved:
		case <-time.After(settleFor):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// costs is what changes of one kind cost.
type costs struct {
	last  []time.Duration // from the answer until the last host had it in force
	each  []time.Duration // until each host had
	bytes []int64         // to each host that it concerns, per change
	cpu   time.Duration   // of the server, per change
}

// changes makes changes one after the other, each when the one before is in force
// everywhere, and measures how long each takes on the hosts that it concerns.
func (w *world) changes(ctx context.Context, count int, concerned []*host, f *fleet, change func(n int) error) (*costs, error) {
	c := &costs{}
	for n := range count {
		if err := f.settle(ctx); err != nil {
			return nil, err
		}
		before, received := make([]int64, len(concerned)), make([]int64, len(concerned))
		for i, h := range concerned {
			before[i], received[i] = h.said(), h.received()
		}
		used, err := w.cpu()
		if err != nil {
			return nil, err
		}
		if err := change(n); err != nil {
			return nil, err
		}
		answered := time.Now()
		last, err := f.told(ctx, concerned, before, answered, c)
		if err != nil {
			return nil, err
		}
		c.last = append(c.last, last)
		now, err := w.cpu()
		if err != nil {
			return nil, err
		}
		c.cpu += (now - used) / time.Duration(count)
		for i, h := range concerned {
			c.bytes = append(c.bytes, h.received()-received[i])
		}
	}
	return c, nil
}

// told waits until each host was told more than before, and returns when the last
// one was.
func (f *fleet) told(ctx context.Context, hosts []*host, before []int64, since time.Time, c *costs) (last time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitFor, errors.New("hosts were not told in time"))
	defer cancel()
	for i, h := range hosts {
		for h.said() == before[i] {
			f.mu.Lock()
			moved := f.moved
			f.mu.Unlock()
			if h.said() != before[i] {
				break
			}
			select {
			case <-moved:
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
		took := h.when().Sub(since)
		c.each = append(c.each, took)
		last = max(last, took)
	}
	return last, nil
}

func (h *host) said() int64 { h.mu.Lock(); defer h.mu.Unlock(); return h.words }

func (h *host) when() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.at }

// watches reports whether the host has an instance whose rules name a group.
func (h *host) watches() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.names }

func quantile(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (c *costs) print(t *table, what string) {
	t.row(what, "on all hosts p50 %s, p99 %s; on one p50 %s", round(quantile(c.last, 0.5)), round(quantile(c.last, 0.99)), round(quantile(c.each, 0.5)))
	sorted := slices.Sorted(slices.Values(c.bytes))
	t.row("  costs", "%d bytes to each host, %s of the server's CPU", sorted[len(sorted)/2], round(c.cpu))
}

// storm cuts every connection at once, and then the server's life.
func storm(ctx context.Context, s *server, f *fleet, t *table, w *world) error {
	used, err := s.cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	for _, h := range f.hosts {
		h.mu.Lock()
		h.conn.Close()
		h.mu.Unlock()
	}
	if err := f.following(ctx, began); err != nil {
		return err
	}
	took := time.Since(began)
	now, err := s.cpu()
	if err != nil {
		return err
	}
	t.row("all hosts reconnect at once", "in %s, %d bytes each, %s of the server's CPU", round(took), f.bytes()/int64(len(f.hosts)), round(now-used))
	if err := f.settle(ctx); err != nil {
		return err
	}

	if err := s.stop(); err != nil {
		return err
	}
	began = time.Now()
	again, err := launch(ctx, s.program, s.state, s.agents)
	if err != nil {
		return err
	}
	ready := time.Since(began)
	*s = *again
	if err := f.following(ctx, began); err != nil {
		return err
	}
	t.row("the server is started again", "answers after %s, all hosts follow after %s", round(ready), round(time.Since(began)))
	return w.authorize(ctx, w.app, 30000)
}

// following returns when every host has a stream that began after a moment.
func (f *fleet) following(ctx context.Context, after time.Time) error {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitFor, errors.New("hosts do not all come back"))
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, h := range f.hosts {
		for {
			if s := h.client.Status(); s.Server != "" && s.Since.After(after) {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}
