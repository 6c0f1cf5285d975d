// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

// capabilities are those that units of ours name, by their numbers.
var capabilities = map[string]uintptr{
	"CAP_KILL": unix.CAP_KILL, "CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_SYS_PTRACE": unix.CAP_SYS_PTRACE,
	"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_BPF": unix.CAP_BPF, "CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE,
}

// unitCapabilities returns what the agent's unit grants.
func unitCapabilities(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../packaging/systemd/hedgeward-agent.service")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if set, is := strings.CutPrefix(line, "CapabilityBoundingSet="); is {
			names = append(names, strings.Fields(set)...)
		}
	}
	for _, name := range names {
		if _, known := capabilities[name]; !known {
			t.Fatalf("the agent's unit grants %s, which this test does not know", name)
		}
	}
	if len(names) == 0 {
		t.Fatal("the agent's unit does not say which capabilities it grants")
	}
	return names
}

// startWith starts a program in the node's namespace with these capabilities and no
// way to others, as systemd does.
func (n *node) startWith(cmd *exec.Cmd, names []string) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread is spoilt: it ends with the goroutine
		err := unix.Setns(int(n.ns.File.Fd()), unix.CLONE_NEWNET)
		for number := uintptr(0); err == nil && number <= unix.CAP_LAST_CAP; number++ {
			if !slices.ContainsFunc(names, func(name string) bool { return capabilities[name] == number }) {
				err = unix.Prctl(unix.PR_CAPBSET_DROP, number, 0, 0, 0)
			}
		}
		if err == nil {
			err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		}
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

// work has a host do everything that needs a privilege, and says what does not work.
func (u *upgraded) work(h *node, round int) error {
	ctx, cancel := context.WithTimeout(u.Context(), 12*time.Second)
	defer cancel()
	out, err := u.client.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: aws.String("ami-netns"), InstanceType: types.InstanceTypeT3Micro, SubnetId: &u.world.subnet, SecurityGroupIds: []string{u.world.group},
		MinCount: aws.Int32(2), MaxCount: aws.Int32(2),
	})
	if err != nil {
		return fmt.Errorf("start instances: %w", err)
	}
	var ids []string
	for _, i := range out.Instances {
		ids = append(ids, *i.InstanceId)
	}
	gone := func(ctx context.Context) error {
		if _, err := u.client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}); err != nil {
			return err
		}
		return u.reach(ctx, ids, types.InstanceStateNameTerminated)
	}
	u.Cleanup(func() { // by an agent that can, if this one cannot
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := gone(ctx); err != nil {
			u.Error(err)
		}
	})
	if err := u.reach(ctx, ids, types.InstanceStateNameRunning); err != nil {
		return err
	}
	a := testnet.Named(u.T, "hedgeward-"+ids[0])
	to := aws.ToString(out.Instances[1].PrivateIpAddress)
	if err := dialIn(a, to+":1000"); !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("an allowed connection between instances: %w", err)
	}
	if err := dialIn(a, to+":1001"); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("a forbidden connection between instances is answered: %w", err)
	}
	late := time.Now().Add(5 * time.Second)
	for err = dialIn(a, "169.254.169.254:80"); err != nil; err = dialIn(a, "169.254.169.254:80") {
		if time.Now().After(late) {
			return fmt.Errorf("ask for metadata: %w", err)
		}
	}

	device := fmt.Sprintf("tool%d", round)
	testnet.Pair(u.T, testnet.End{NS: h.ns, Name: device}, testnet.End{NS: testnet.New(u.T), Name: "far"})
	attach := exec.CommandContext(ctx, filepath.Join(h.bin, "hedgeward-agent"), "--state", filepath.Join(h.dir, "state"), "attach", "--interface", device, "--subnet", u.world.subnet, "--groups", u.world.group)
	if said, err := attach.CombinedOutput(); err != nil {
		return fmt.Errorf("attach a device: %w: %s", err, strings.TrimSpace(string(said)))
	}

	// Somebody's program in an instance, that does not want to end.
	inside := exec.Command("/bin/sh", "-c", "trap '' TERM; echo runs; while :; do sleep 1; done")
	inside.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Setsid: true}
	said, err := inside.StdoutPipe()
	if err == nil {
		err = a.Start(inside)
	}
	if err != nil {
		return err
	}
	if _, err := said.Read(make([]byte, 4)); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { defer close(ended); inside.Wait() }()
	defer func() { syscall.Kill(-inside.Process.Pid, syscall.SIGKILL); <-ended }()
	if err := gone(ctx); err != nil {
		return fmt.Errorf("end instances: %w", err)
	}
	select {
	case <-ended:
		return nil
	case <-time.After(2 * time.Second):
		return errors.New("a program inside an instance outlives it")
	}
}

// reach waits until instances have a state.
func (u *upgraded) reach(ctx context.Context, ids []string, want types.InstanceStateName) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := u.client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids})
		if err != nil {
			return fmt.Errorf("instances do not become %s: %w", want, err)
		}
		left := 0
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				switch i.State.Name {
				case want:
				case types.InstanceStateNameTerminated:
					return fmt.Errorf("instance %s does not become %s: %s", *i.InstanceId, want, aws.ToString(i.StateTransitionReason))
				default:
					left++
				}
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d instances do not become %s: %w", left, want, ctx.Err())
		}
	}
}

// The agent does all that it must with the capabilities that its unit grants, and with
// each of them taken away there is something that it cannot do.
func TestCapabilitiesOfTheAgentAreThoseItNeeds(t *testing.T) {
	granted := unitCapabilities(t)
	w := newWire(t)
	s := w.node("server0")
	r := &replicas{nodes: []*node{s}, more: []string{"--agents", fmt.Sprintf("0.0.0.0:%d", agentsPort)}}
	if err := r.launch(s); err != nil {
		t.Fatal(err)
	}
	h := newHosts(t, w, r, 1, bin)[0]
	u := &upgraded{T: t, client: r.client(t, s, w.node("client"))}
	u.world = newWorld(t, u.client)
	if _, err := u.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &u.world.group, IpProtocol: aws.String("tcp"), FromPort: aws.Int32(1000), ToPort: aws.Int32(1000), CidrIp: aws.String("10.9.0.0/16"),
	}); err != nil {
		t.Fatal(err)
	}
	// with runs the agent with some capabilities, from nothing in the kernel.
	with := func(t *testing.T, names []string, round int) error {
		h.stop(syscall.SIGTERM)
		h.run("hedgeward-agent", "--state", filepath.Join(h.dir, "state"), "down")
		h.caps = names
		if err := launchAgent(h); err != nil {
			return fmt.Errorf("start the agent: %w", err)
		}
		one := *u
		one.T = t
		return one.work(h, round)
	}
	t.Run("as granted", func(t *testing.T) {
		if err := with(t, granted, 0); err != nil {
			t.Errorf("with the capabilities of its unit the agent cannot do its work: %v", err)
		}
	})
	for n, missing := range granted {
		t.Run("without "+missing, func(t *testing.T) {
			left := slices.DeleteFunc(slices.Clone(granted), func(name string) bool { return name == missing })
			err := with(t, left, n+1)
			if err == nil {
				t.Errorf("the agent does all its work without %s: take it out of the unit", missing)
			} else {
				t.Logf("without %s: %v", missing, err)
			}
			// What is left of it is for an agent that can.
			h.stop(syscall.SIGTERM)
			h.caps = nil
			if err := launchAgent(h); err != nil {
				t.Fatal(err)
			}
		})
	}
}
