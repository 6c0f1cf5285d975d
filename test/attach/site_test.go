// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/attach"
)

// patience is how long anything may take on a machine that is busy with other tests.
const patience = 60 * time.Second

// within is how long a connection is tried for that must come about, or must not.
func within(open bool) time.Duration {
	if open {
		return 10 * time.Second
	}
	return 400 * time.Millisecond
}

// here is where all tests take place, one after the other.
var here *site

// site is a server, and the host on which the tests run, with its agent.
type site struct {
	dir           string
	api           *ec2.Client
	server, agent *process
}

// process is a program that runs until it is stopped.
type process struct {
	cmd  *exec.Cmd
	done chan error // capacity 1

	mu    sync.Mutex
	text  bytes.Buffer
	moved chan struct{}
}

// Write takes what the program prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.moved)
	p.moved = make(chan struct{})
	return p.text.Write(b)
}

func (p *process) log() string {
	if p == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// start runs a program until it prints a text.
func start(ready, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(filepath.Join(bin, program), args...), done: make(chan error, 1), moved: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	late := time.After(patience)
	for {
		p.mu.Lock()
		said, moved := strings.Contains(p.text.String(), ready), p.moved
		p.mu.Unlock()
		if said {
			return p, nil
		}
		select {
		case <-moved:
		case err := <-p.done:
			return nil, fmt.Errorf("%s ended: %w\n%s", program, err, p.log())
		case <-late:
			p.cmd.Process.Kill()
			return nil, fmt.Errorf("%s never says %q\n%s", program, ready, p.log())
		}
	}
}

// stop ends the program with a signal.
func (p *process) stop(sig syscall.Signal) error {
	if p == nil || p.cmd.ProcessState != nil {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return err
	}
	<-p.done
	return nil
}

// call runs a program to its end and returns what it printed.
func call(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(bin, program), args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// The server's addresses; nobody else is on the host.
const (
	apiAddress    = "127.0.0.1:4566"
	agentsAddress = "127.0.0.1:4567"
)

// open starts a server and joins the host to it. What has started is in the site also
// if something fails.
func open(dir string) (s *site, err error) {
	s = &site{dir: dir}
	state := s.serverState()
	if s.server, err = start("Hedgeward is ready", "hedgeward", "--state", state, "server", "--listen", apiAddress, "--agents", agentsAddress, "--drain", "0s"); err != nil {
		return s, err
	}
	if _, err = call("hedgeward", "--state", state, "quota", "set", "vpcs-per-region", "50"); err != nil {
		return s, err
	}
	said, err := call("hedgeward", "--state", state, "host", "token", "create", "--name", "h1")
	if err != nil {
		return s, err
	}
	lines := strings.Fields(said)
	if _, err = call("hedgeward-agent", "--state", s.hostState(), "join", "--server", "https://"+agentsAddress, "--token", lines[len(lines)-1], "--name", "h1"); err != nil {
		return s, err
	}
	if err = s.startAgent(); err != nil {
		return s, err
	}
	cfg, err := config.LoadDefaultConfig(context.Background(),
		config.WithSharedConfigProfile("hedgeward"),
		config.WithSharedConfigFiles([]string{filepath.Join(state, "aws", "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(state, "aws", "credentials")}),
	)
	s.api = ec2.NewFromConfig(cfg)
	return s, err
}

func (s *site) startAgent() (err error) {
	s.agent, err = start("msg=following", "hedgeward-agent", "--state", s.hostState(), "run")
	return err
}

// killAgent ends the agent without giving it a chance; what is in force stays.
func (s *site) killAgent(t *testing.T) {
	t.Helper()
	if err := s.agent.stop(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func (s *site) reviveAgent(t *testing.T) {
	t.Helper()
	if err := s.startAgent(); err != nil {
		t.Fatal(err)
	}
}

// close ends everything. Namespaces, devices and pins go with the host.
func (s *site) close() error {
	return errors.Join(s.agent.stop(syscall.SIGINT), s.server.stop(syscall.SIGTERM))
}

func (s *site) serverState() string { return filepath.Join(s.dir, "server") }
func (s *site) hostState() string   { return filepath.Join(s.dir, "h1") }

func (s *site) socket() string { return filepath.Join(s.hostState(), "attach.sock") }

// local speaks to the agent as hypervisors do.
func (s *site) local() *attach.Client { return &attach.Client{Socket: s.socket(), Wait: patience} }

// settle returns when everything answered so far is in force.
func (s *site) settle(t *testing.T) {
	t.Helper()
	if _, err := call("hedgeward", "--state", s.serverState(), "wait", "--timeout", "60s"); err != nil {
		t.Fatal(err)
	}
}

// command runs the agent's command line, wants it to succeed, and returns what it
// printed.
func (s *site) command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := call("hedgeward-agent", append([]string{"--state", s.hostState()}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// attached returns what is attached on the host.
func (s *site) attached(t *testing.T) []attach.Interface {
	t.Helper()
	all, err := s.local().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// world is a VPC of the test's own, with one subnet.
type world struct {
	t *testing.T
	*site
	vpc, subnet string
	ipv6        netip.Prefix // of the subnet
}

func (s *site) world(t *testing.T, block string) *world {
	t.Helper()
	w := &world{t: t, site: s}
	vpc, err := s.api.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: &block, AmazonProvidedIpv6CidrBlock: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	w.vpc = *vpc.Vpc.VpcId
	shown, err := s.api.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{w.vpc}})
	if err != nil {
		t.Fatal(err)
	}
	wide := netip.MustParsePrefix(*shown.Vpcs[0].Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock)
	w.ipv6 = netip.PrefixFrom(wide.Addr(), 64)
	subnet, err := s.api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &w.vpc, CidrBlock: &block, Ipv6CidrBlock: aws.String(w.ipv6.String())})
	if err != nil {
		t.Fatal(err)
	}
	w.subnet = *subnet.Subnet.SubnetId
	return w
}

// group makes a group without ingress rules.
func (w *world) group(name string) string {
	w.t.Helper()
	g, err := w.api.CreateSecurityGroup(w.t.Context(), &ec2.CreateSecurityGroupInput{VpcId: &w.vpc, GroupName: &name, Description: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	return *g.GroupId
}

// tcp is the permission for one port, from a prefix or from a group's members.
func tcp(port uint16, from string) []types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(port)), ToPort: aws.Int32(int32(port))}
	switch prefix, err := netip.ParsePrefix(from); {
	case err != nil:
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &from}}
	case prefix.Addr().Is4():
		p.IpRanges = []types.IpRange{{CidrIp: &from}}
	default:
		p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: &from}}
	}
	return []types.IpPermission{p}
}

// allow lets traffic into a group and returns when that is in force.
func (w *world) allow(group string, port uint16, from string) {
	w.t.Helper()
	if _, err := w.api.AuthorizeSecurityGroupIngress(w.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: tcp(port, from)}); err != nil {
		w.t.Fatal(err)
	}
	w.settle(w.t)
}

// revoke takes back what allow allowed.
func (w *world) revoke(group string, port uint16, from string) {
	w.t.Helper()
	if _, err := w.api.RevokeSecurityGroupIngress(w.t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: tcp(port, from)}); err != nil {
		w.t.Fatal(err)
	}
	w.settle(w.t)
}

// interfaces returns the network interfaces of the world that the API shows.
func (w *world) interfaces() []types.NetworkInterface {
	w.t.Helper()
	out, err := w.api.DescribeNetworkInterfaces(w.t.Context(), &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{w.vpc}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.NetworkInterfaces
}
