// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

const (
	studioRegion = "ap-southeast-2" // of all fleets on the shared server
	studioVPC    = "10.50.0.0/16"
	streamImage  = "AppStream-WinServer2022-11-03-2025"
	streamType   = "stream.standard.medium"
)

// studio is a VPC with fleets in it: docs/spec/appstream.md section 12. Names of
// fleets and stacks begin with its own, so that studios do not meet.
type studio struct {
	*world
	name   string
	as     *appstream.Client
	r1, r2 string // subnets in two zones
}

var studioQuotas sync.Once

// newStudio makes a VPC for fleets on the shared server.
func newStudio(t *testing.T, name string) *studio {
	t.Helper()
	s := rig.Shared(t)
	studioQuotas.Do(func() {
		for _, quota := range []string{"vpcs-per-region", "fleets-per-region", "stacks-per-region", "builders-per-region", "internet-gateways-per-region"} {
			s.Command(t, "quota", "set", quota, "200", "--region", studioRegion)
		}
	})
	return newStudioOn(t, s, studioRegion, name)
}

func newStudioOn(t *testing.T, s *rig.Server, region, name string) *studio {
	t.Helper()
	w := newWorld(t, s, region, studioVPC)
	f := &studio{world: w, name: name, r1: w.subnet}
	f.as = appstream.NewFromConfig(s.API.Config, func(o *appstream.Options) { o.Region = region })
	zones, err := w.api.DescribeAvailabilityZones(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := f.zoneOf(f.r1)
	for _, z := range zones.AvailabilityZones {
		if *z.ZoneName != at && f.r2 == "" {
			f.r2 = f.subnetIn(*z.ZoneName, "10.50.2.0/24")
		}
	}
	return f
}

func (f *studio) zoneOf(subnet string) string {
	f.t.Helper()
	got, err := f.api.DescribeSubnets(f.t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{subnet}})
	if err != nil {
		f.t.Fatal(err)
	}
	return *got.Subnets[0].AvailabilityZone
}

func (f *studio) subnetIn(zone, cidr string) string {
	f.t.Helper()
	made, err := f.api.CreateSubnet(f.t.Context(), &ec2.CreateSubnetInput{VpcId: &f.vpc, CidrBlock: &cidr, AvailabilityZone: &zone})
	if err != nil {
		f.t.Fatal(err)
	}
	return *made.Subnet.SubnetId
}

// bare makes a group without any rule.
func (f *studio) bare(name string) string {
	f.t.Helper()
	g := f.group(name)
	f.revokeEgress(g, permission("-1", -1, -1, anywhere))
	return g
}

func (f *studio) allowEgress(group string, p []types.IpPermission) {
	f.t.Helper()
	if _, err := f.api.AuthorizeSecurityGroupEgress(f.t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: p}); err != nil {
		f.t.Fatal(err)
	}
}

// serving starts an instance that serves the ports to whoever group admits.
func (f *studio) serving(group string, ports ...int) *guest {
	f.t.Helper()
	g := f.run(group)[0]
	g.listen(f.t, ports...)
	return g
}

// asked returns a fleet as most cases ask for it: always on, one instance, in r1.
func (f *studio) asked(fleet string, groups ...string) *appstream.CreateFleetInput {
	return &appstream.CreateFleetInput{
		Name: aws.String(f.name + fleet), InstanceType: aws.String(streamType), ImageName: aws.String(streamImage),
		ComputeCapacity: &streaming.ComputeCapacity{DesiredInstances: aws.Int32(1)},
		VpcConfig:       &streaming.VpcConfig{SubnetIds: []string{f.r1}, SecurityGroupIds: groups},
	}
}

// create makes a fleet.
func (f *studio) create(in *appstream.CreateFleetInput) string {
	f.t.Helper()
	if _, err := f.as.CreateFleet(f.t.Context(), in); err != nil {
		f.t.Fatalf("create fleet %s: %v", *in.Name, err)
	}
	return *in.Name
}

// running makes and starts a fleet.
func (f *studio) running(in *appstream.CreateFleetInput) string {
	f.t.Helper()
	name := f.create(in)
	f.startFleet(name)
	return name
}

func (f *studio) startFleet(name string) {
	f.t.Helper()
	if _, err := f.as.StartFleet(f.t.Context(), &appstream.StartFleetInput{Name: &name}); err != nil {
		f.t.Fatalf("start fleet %s: %v", name, err)
	}
	f.awaitFleetStarted(name)
}

func (f *studio) awaitFleetStarted(name string) {
	f.t.Helper()
	w := appstream.NewFleetStartedWaiter(f.as, func(o *appstream.FleetStartedWaiterOptions) { o.MinDelay, o.MaxDelay = brief, brief })
	if err := w.Wait(f.t.Context(), &appstream.DescribeFleetsInput{Names: []string{name}}, rig.Timeout); err != nil {
		f.t.Fatalf("fleet %s does not start: %v; %+v", name, err, f.fleet(name))
	}
	f.s.Settle(f.t)
}

func (f *studio) stopFleet(name string) {
	f.t.Helper()
	if _, err := f.as.StopFleet(f.t.Context(), &appstream.StopFleetInput{Name: &name}); err != nil {
		f.t.Fatalf("stop fleet %s: %v", name, err)
	}
	f.awaitFleetStopped(name)
}

func (f *studio) awaitFleetStopped(name string) {
	f.t.Helper()
	w := appstream.NewFleetStoppedWaiter(f.as, func(o *appstream.FleetStoppedWaiterOptions) { o.MinDelay, o.MaxDelay = brief, brief })
	if err := w.Wait(f.t.Context(), &appstream.DescribeFleetsInput{Names: []string{name}}, rig.Timeout); err != nil {
		f.t.Fatalf("fleet %s does not stop: %v; %+v", name, err, f.fleet(name))
	}
}

func (f *studio) fleet(name string) streaming.Fleet {
	f.t.Helper()
	got, err := f.as.DescribeFleets(f.t.Context(), &appstream.DescribeFleetsInput{Names: []string{name}})
	if err != nil || len(got.Fleets) != 1 {
		f.t.Fatalf("describe fleet %s: %+v, %v", name, got, err)
	}
	return got.Fleets[0]
}

// setGroups changes the groups of a fleet.
func (f *studio) setGroups(name string, groups ...string) error {
	if groups == nil {
		groups = []string{}
	}
	_, err := f.as.UpdateFleet(f.t.Context(), &appstream.UpdateFleetInput{Name: &name, VpcConfig: &streaming.VpcConfig{SecurityGroupIds: groups}})
	return err
}

// interfacesOf returns the interfaces that EC2 shows of a fleet or builder.
func (f *studio) interfacesOf(kind, name string) []types.NetworkInterface {
	f.t.Helper()
	got, err := f.api.DescribeNetworkInterfaces(f.t.Context(), &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{f.vpc}},
		{Name: aws.String("description"), Values: []string{"AppStream " + kind + " " + name}},
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	return got.NetworkInterfaces
}

func (f *studio) enis(fleet string) []types.NetworkInterface { return f.interfacesOf("fleet", fleet) }

// instances returns the instances of a fleet or builder, with a probe in each.
func (f *studio) instances(kind, name string, want int) []*guest {
	f.t.Helper()
	var out []*guest
	for _, i := range f.interfacesOf(kind, name) {
		g := &guest{id: *i.Attachment.InstanceId, ip: *i.PrivateIpAddress, eni: *i.NetworkInterfaceId}
		f.s.Made(g.id, g.eni)
		g.enter(f.t)
		out = append(out, g)
	}
	if len(out) != want {
		f.t.Fatalf("%s %s has %d interfaces, want %d", kind, name, len(out), want)
	}
	return out
}

// instance is instances for a fleet of one.
func (f *studio) instance(fleet string) *guest {
	f.t.Helper()
	return f.instances("fleet", fleet, 1)[0]
}

// wantGroups expects that every interface of a fleet has exactly these groups.
func (f *studio) wantGroups(what string, interfaces []types.NetworkInterface, n int, groups ...string) {
	f.t.Helper()
	if len(interfaces) != n {
		f.t.Errorf("%s has %d interfaces, want %d", what, len(interfaces), n)
	}
	for _, i := range interfaces {
		if got := groupIDs(i); !slices.Equal(got, groups) {
			f.t.Errorf("%s has groups %v, want %v", *i.NetworkInterfaceId, got, groups)
		}
	}
}

func groupIDs(i types.NetworkInterface) []string {
	var ids []string
	for _, g := range i.Groups {
		ids = append(ids, *g.GroupId)
	}
	return ids
}

func (f *studio) defaultGroup() string {
	f.t.Helper()
	got, err := f.api.DescribeSecurityGroups(f.t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{f.vpc}}, {Name: aws.String("group-name"), Values: []string{"default"}},
	}})
	if err != nil || len(got.SecurityGroups) != 1 {
		f.t.Fatalf("default group of %s: %+v, %v", f.vpc, got, err)
	}
	return *got.SecurityGroups[0].GroupId
}

// row is one row of the acceptance table, with the studio's calls failing that
// subtest.
func (f *studio) row(t *testing.T, name string, body func(*studio)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		inner, w := *f, *f.world
		w.t = t
		inner.world = &w
		body(&inner)
	})
}

// viewer is a user who watches a stream.
type viewer struct {
	what              string
	session, instance string
	cancel            context.CancelFunc
	done              chan error // capacity 1

	mu     sync.Mutex
	frames int           // seen so far
	broken string        // what was wrong with a frame's number
	last   time.Time     // when the last frame came
	gap    time.Duration // the longest time between two frames
}

// stack makes a stack with the fleet.
func (f *studio) stack(fleet string, settings *streaming.StreamingExperienceSettings) string {
	f.t.Helper()
	name := fleet + "-stack"
	if _, err := f.as.CreateStack(f.t.Context(), &appstream.CreateStackInput{Name: &name, StreamingExperienceSettings: settings}); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.as.AssociateFleet(f.t.Context(), &appstream.AssociateFleetInput{FleetName: &fleet, StackName: &name}); err != nil {
		f.t.Fatal(err)
	}
	return name
}

// watch opens a streaming URL for a user, and sees the first frame.
func (f *studio) watch(stack, fleet, user string) *viewer {
	f.t.Helper()
	u, err := f.as.CreateStreamingURL(f.t.Context(), &appstream.CreateStreamingURLInput{StackName: &stack, FleetName: &fleet, UserId: &user})
	if err != nil {
		f.t.Fatal(err)
	}
	return f.view(*u.StreamingURL, fleet+" for "+user)
}

func (f *studio) view(url, what string) *viewer {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.t.Context()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := bufio.NewReader(resp.Body).ReadString('\n')
		f.t.Fatalf("the stream of %s answers %s: %s", what, resp.Status, text)
	}
	v := &viewer{
		what: what, session: resp.Header.Get("Hedgeward-Session"), instance: resp.Header.Get("Hedgeward-Instance"),
		cancel: cancel, done: make(chan error, 1),
	}
	go func() {
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			v.see(lines.Text())
		}
		resp.Body.Close()
		v.done <- lines.Err()
	}()
	f.t.Cleanup(func() { cancel() })
	v.flows(f.t, "at first")
	return v
}

func (v *viewer) see(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var n int
	if _, err := fmt.Sscanf(line, "frame %d", &n); err != nil || n != v.frames+1 && v.frames > 0 {
		v.broken = fmt.Sprintf("after frame %d comes %q", v.frames, line)
	}
	now := time.Now()
	if !v.last.IsZero() {
		v.gap = max(v.gap, now.Sub(v.last))
	}
	v.frames, v.last = n, now
}

func (v *viewer) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.frames
}

// longest returns the longest time between two frames since it was asked last.
func (v *viewer) longest() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	gap := v.gap
	v.gap = 0
	return gap
}

// flows expects that frames go on coming, one after the other without a gap in
// their numbers.
func (v *viewer) flows(t *testing.T, when string) {
	t.Helper()
	begin := v.count()
	deadline := time.After(patience)
	for v.count() < begin+25 {
		select {
		case <-time.After(brief):
		case <-deadline:
			t.Errorf("%s: the stream of %s stands still after frame %d", when, v.what, v.count())
			return
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.broken != "" {
		t.Errorf("%s: the stream of %s: %s", when, v.what, v.broken)
	}
}

// ends expects that the stream ends.
func (v *viewer) ends(t *testing.T, when string) {
	t.Helper()
	select {
	case <-v.done:
	case <-time.After(patience):
		t.Errorf("%s: the stream of %s goes on", when, v.what)
	}
}

// close is the user who goes away.
func (v *viewer) close() { v.cancel() }

// managementAddress returns an instance's address in the management network, as
// the instance itself sees it.
func (f *studio) managementAddress(g *guest) string {
	f.t.Helper()
	for _, word := range strings.Fields(f.inside(g, "hostname", "-I")) {
		if a, err := netip.ParseAddr(word); err == nil && netip.MustParsePrefix("198.19.0.0/16").Contains(a) {
			return word
		}
	}
	f.t.Fatalf("%s has no address in the management network", g.id)
	return ""
}
