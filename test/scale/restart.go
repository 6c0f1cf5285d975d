// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/test/faults/history"
)

// inside is the part restart in a network namespace of its own.
const inside = "restart inside"

const (
	ruleSets     = 200 // groups, each with rulesEach rules
	rulesEach    = 50
	restartPorts = 10000 // from here on the ports of rules
)

// restartInside runs the part restart as a process of its own in a new network
// namespace, which takes the devices with it when it goes.
func restartInside(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append(slices.Clone(os.Args[1:]), "-parts", inside)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	return cmd.Run()
}

// machine is a host with a real kernel: an agent and devices that it enforces.
type machine struct {
	options
	server *server
	state  string // of the agent
	agent  *exec.Cmd
	out    *os.File // what the agents print
	groups []string
	subnet string

	changes int // of rules, so far
}

// measureRestart kills an agent with many interfaces and starts it again.
func measureRestart(ctx context.Context, o options, t *table) (err error) {
	dir, err := os.MkdirTemp("/tmp", "hw-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(build(ctx, &o.program, dir, "hedgeward"), build(ctx, &o.agent, dir, "hedgeward-agent")); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return err
	}
	s, err := start(ctx, o.program, filepath.Join(dir, "server"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	m := &machine{options: o, server: s, state: filepath.Join(dir, "agent")}
	if m.out, err = os.Create(filepath.Join(dir, "said")); err != nil {
		return err
	}
	defer m.out.Close()
	defer func() { err = errors.Join(err, m.down()) }()
	if err := errors.Join(m.join(ctx), m.run(ctx)); err != nil {
		return err
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	guests, err := m.attach(ctx)
	if err != nil {
		return err
	}
	under, err := startLanes(guests)
	if err != nil {
		return err
	}
	took, used, err := m.restart(ctx)
	sent := under.Stop()
	if err != nil {
		return err
	}
	t.row(fmt.Sprintf("an agent with %d interfaces and %d rules is killed", o.devices, ruleSets*rulesEach),
		"started again, all are in sync with the server after p50 %s, at most %s; %s of its CPU", round(quantile(took, 0.5)), round(slices.Max(took)), round(quantile(used, 0.5)))
	if err := history.Datagrams(sent); err != nil {
		return err
	}
	count := 0
	for _, l := range sent {
		count += len(l.Sent)
	}
	t.row("  meanwhile", "%d numbered datagrams between %d of them: none lost, none let through that is forbidden", count, len(guests))
	if err := m.down(); err != nil {
		return err
	}
	anew, spent, err := m.sync(ctx)
	if err != nil {
		return err
	}
	t.row("  with nothing left in the kernel, as after a boot", "%s, %s of its CPU", round(anew), round(spent))
	return m.dropDevices()
}

// join makes the machine a host.
func (m *machine) join(ctx context.Context) error {
	var token string
	if err := m.server.order(ctx, "/hosts", map[string]any{"Verb": "token create", "Life": time.Hour}, &token); err != nil {
		return err
	}
	return m.command(ctx, m.options.agent, "--state", m.state, "join", "--server", "https://"+m.server.agents, "--token", token, "--name", "machine")
}

func (m *machine) command(ctx context.Context, program string, args ...string) error {
	if said, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

// begin starts the agent.
func (m *machine) begin() error {
	m.agent = exec.Command(m.options.agent, "--state", m.state, "run")
	m.agent.Stdout, m.agent.Stderr = m.out, m.out
	m.agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return m.agent.Start()
}

// run starts the agent and waits until it follows the server.
func (m *machine) run(ctx context.Context) error {
	from, err := m.out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := m.begin(); err != nil {
		return err
	}
	tick, late := time.NewTicker(5*time.Millisecond), time.After(startWithin)
	defer tick.Stop()
	for {
		text, err := io.ReadAll(io.NewSectionReader(m.out, from, 1<<20))
		if err != nil || bytes.Contains(text, []byte("following")) {
			return err
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("the agent does not follow its server:\n%s", text)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// kill ends the agent without giving it a chance.
func (m *machine) kill() error {
	if m.agent == nil {
		return nil
	}
	err := m.agent.Process.Kill()
	m.agent.Wait()
	m.agent = nil
	return err
}

// down takes away what the agent made in the kernel.
func (m *machine) down() error {
	err := m.kill()
	if _, missing := os.Stat(filepath.Join(m.state, "identity.json")); missing == nil {
		err = errors.Join(err, m.command(context.Background(), m.options.agent, "--state", m.state, "down"))
	}
	return err
}

// fill makes a subnet and the groups.
func (m *machine) fill(ctx context.Context) error {
	for name, value := range map[string]int{"groups-per-region": 2 * ruleSets, "interfaces-per-region": 2 * m.devices, "rules-per-group": rulesEach + 10} {
		if err := m.command(ctx, m.program, "quota", "set", name, fmt.Sprint(value), "--state", m.server.state); err != nil {
			return err
		}
	}
	v, err := m.server.api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.60.0.0/16")})
	if err != nil {
		return err
	}
	n, err := m.server.api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: aws.String("10.60.0.0/16")})
	if err != nil {
		return err
	}
	m.subnet = *n.Subnet.SubnetId
	for g := range ruleSets {
		name := fmt.Sprintf("rules-%d", g)
		out, err := m.server.api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: v.Vpc.VpcId, GroupName: &name, Description: &name})
		if err != nil {
			return err
		}
		m.groups = append(m.groups, *out.GroupId)
		var rules []types.IpPermission
		for r := range int32(rulesEach - 1) {
			port := restartPorts + r
			rules = append(rules, types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{
				{CidrIp: aws.String(fmt.Sprintf("198.18.%d.%d/32", g, r))},
			}})
		}
		rules = append(rules, types.IpPermission{
			IpProtocol: aws.String("udp"), FromPort: aws.Int32(openPort), ToPort: aws.Int32(openPort), IpRanges: []types.IpRange{{CidrIp: aws.String("10.60.0.0/16")}},
		})
		if _, err := m.server.api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &m.groups[g], IpPermissions: rules}); err != nil {
			return err
		}
	}
	return nil
}

// attach makes the devices and has an interface enforced at each.
func (m *machine) attach(ctx context.Context) ([]*guest, error) {
	if err := makeBridge(); err != nil {
		return nil, err
	}
	client := &attach.Client{Socket: filepath.Join(m.state, "attach.sock")}
	guests := make([]*guest, talking)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for n := range m.devices {
		group.Go(func() error {
			if err := makeDevice(n); err != nil {
				return err
			}
			i, err := client.AttachNew(ctx, attach.Request{Device: deviceName(n), Subnet: m.subnet, Groups: []string{m.groups[n%ruleSets]}})
			if err != nil {
				return fmt.Errorf("attach device %d: %w", n, err)
			}
			if n < talking {
				guests[n], err = newGuest(n, i)
			}
			return err
		})
	}
	return guests, group.Wait()
}

// restart kills the agent and starts it again, several times.
func (m *machine) restart(ctx context.Context) (took, used []time.Duration, err error) {
	for range m.restarts {
		if err := m.kill(); err != nil {
			return nil, nil, err
		}
		one, cpu, err := m.sync(ctx)
		if err != nil {
			return nil, nil, err
		}
		took, used = append(took, one), append(used, cpu)
	}
	return took, used, nil
}

// sync changes a rule while no agent runs, starts the agent and measures how long it
// takes until the server knows that everything, the rule too, is in force on all
// interfaces, and what CPU the agent used until then.
func (m *machine) sync(ctx context.Context) (took, used time.Duration, err error) {
	m.changes++
	port := int32(30000 + m.changes)
	if _, err := m.server.api.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &m.groups[m.changes%ruleSets], IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, CidrIp: aws.String("198.19.0.0/24"),
	}); err != nil {
		return 0, 0, err
	}
	wait := exec.CommandContext(ctx, m.program, "wait", "--timeout", startWithin.String(), "--state", m.server.state)
	said, err := wait.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	wait.Stderr = os.Stderr
	if err := wait.Start(); err != nil {
		return 0, 0, err
	}
	asked := time.NewTimer(500 * time.Millisecond) // it has begun to wait by then
	select {
	case <-asked.C:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	began := time.Now()
	if err := m.begin(); err != nil {
		return 0, 0, err
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "is in force") {
			took = time.Since(began)
			used, err = cpuOf(m.agent.Process)
			return took, used, errors.Join(err, wait.Wait())
		}
	}
	return 0, 0, errors.Join(errors.New("the agent does not come in sync"), wait.Wait())
}
