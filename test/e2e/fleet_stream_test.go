// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// sessions returns the sessions of a fleet that are not over.
func (f *studio) sessions(stack, fleet string) []streaming.Session {
	f.t.Helper()
	got, err := f.as.DescribeSessions(f.t.Context(), &appstream.DescribeSessionsInput{StackName: &stack, FleetName: &fleet})
	if err != nil {
		f.t.Fatal(err)
	}
	var live []streaming.Session
	for _, s := range got.Sessions {
		if s.State != streaming.SessionStateExpired {
			live = append(live, s)
		}
	}
	return live
}

// awaitConnected waits until the API shows a viewer's session with its user.
func (f *studio) awaitConnected(stack, fleet string, v *viewer) {
	f.t.Helper()
	eventually(f.t, "the session is active and connected", func() bool {
		for _, s := range f.sessions(stack, fleet) {
			if *s.Id == v.session && s.State == streaming.SessionStateActive && s.ConnectionState == streaming.SessionConnectionStateConnected {
				return *s.InstanceId == v.instance
			}
		}
		return false
	})
}

// device returns how many packets the host's end of an interface of an instance
// has carried: of the customer interface, or of the other one.
func device(t *testing.T, g *guest, customer bool) (packets int) {
	t.Helper()
	all, err := filepath.Glob("/sys/class/net/hw*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dev := range all {
		alias, err := os.ReadFile(filepath.Join(dev, "ifalias"))
		if err != nil || !strings.Contains(string(alias), " "+g.id) || strings.Contains(string(alias), g.eni) != customer {
			continue // one that is gone meanwhile is not the guest's
		}
		for _, counter := range []string{"rx_packets", "tx_packets"} {
			text, err := os.ReadFile(filepath.Join(dev, "statistics", counter))
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			packets += n
		}
		return packets
	}
	t.Fatalf("%s has no such interface (customer %v)", g.id, customer)
	return 0
}

// TestPixelsAreNotAffected is docs/spec/appstream.md section 12.D.
func TestPixelsAreNotAffected(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "pixel")
	g1 := f.bare("g1")
	srv := f.group("srv")
	f.allow(srv, permission("tcp", 1, 65535, "10.50.0.0/16"))
	f.allowEgress(g1, permission("tcp", 443, 443, srv))
	f.allow(g1, permission("tcp", 9000, 9000, srv))
	server := f.serving(srv, 443)
	two := f.asked("F", g1)
	two.ComputeCapacity.DesiredInstances = aws.Int32(2)
	fleet := f.running(two)
	stack := f.stack(fleet, nil)
	probes := map[string]*guest{}
	var all []*guest
	for _, g := range f.instances("fleet", fleet, 2) {
		probes[g.id] = g
		all = append(all, g)
	}
	v := f.watch(stack, fleet, "bob")
	mine := probes[v.instance]
	other := all[0]
	if other == mine {
		other = all[1]
	}
	web := connects(mine, "tcp", server.ip, 443)

	f.row(t, "AS-D11", func(f *studio) {
		for _, i := range f.enis(fleet) {
			if strings.HasPrefix(*i.PrivateIpAddress, "198.19.") {
				f.t.Errorf("a management interface is listed: %s", *i.NetworkInterfaceId)
			}
		}
		out := f.s.API.AWS(f.t, "ec2", "describe-network-interfaces", "--region", studioRegion, "--output", "text",
			"--query", "NetworkInterfaces[].PrivateIpAddresses[].PrivateIpAddress")
		if strings.Contains(out, "198.19.") {
			f.t.Errorf("a management address is listed: %s", out)
		}
	})
	f.row(t, "AS-D10", func(f *studio) {
		for _, g := range all {
			at := f.managementAddress(g)
			peer := other
			if g == other {
				peer = mine
			}
			check(f.t, "the management address "+at, dropped(connects(server, "tcp", at, 8300)), dropped(connects(peer, "tcp", at, 8300)),
				dropped(connects(peer, "udp", at, 8300)), dropped(pings(peer, at, 3)))
		}
	})
	f.row(t, "AS-D07", func(f *studio) {
		check(f.t, "port 8300 of the customer address", dropped(connects(server, "tcp", mine.ip, 8300)), dropped(connects(server, "udp", mine.ip, 8300)))
	})
	f.row(t, "AS-D12", func(f *studio) {
		v.flows(f.t, "measured")
		customer, management, frames := device(f.t, mine, true), device(f.t, mine, false), v.count()
		v.flows(f.t, "measured")
		v.flows(f.t, "measured")
		customer, management, frames = device(f.t, mine, true)-customer, device(f.t, mine, false)-management, v.count()-frames
		f.t.Logf("%d frames: %d packets on the management interface, %d on the customer interface", frames, management, customer)
		if management < frames || customer > frames/10 {
			f.t.Errorf("%d frames are %d packets on the management interface and %d on the customer interface", frames, management, customer)
		}
	})
	f.row(t, "AS-D01", func(f *studio) {
		check(f.t, "before", web)
		f.revokeEgress(g1, permission("tcp", 443, 443, srv))
		f.revoke(g1, permission("tcp", 9000, 9000, srv))
		f.s.Settle(f.t)
		check(f.t, "no rules in either direction", dropped(web), dropped(connects(mine, "tcp", server.ip, 80)))
		v.flows(f.t, "no rules in either direction")
	})
	f.row(t, "AS-D02", func(f *studio) {
		eve := f.watch(stack, fleet, "eve")
		f.awaitConnected(stack, fleet, eve)
		if eve.instance == v.instance {
			f.t.Error("two users are on one instance of a single-session fleet")
		}
		eve.close()
		eventually(f.t, "a user who went away is not connected", func() bool {
			for _, s := range f.sessions(stack, fleet) {
				if *s.Id == eve.session && s.ConnectionState == streaming.SessionConnectionStateNotConnected {
					return true
				}
			}
			return false
		})
	})
	f.row(t, "AS-D08", func(f *studio) {
		for _, rule := range []string{"with", "without"} {
			p := permission("tcp", 8300, 8300, "198.19.0.0/16")
			if rule == "with" {
				f.allow(g1, p)
			} else {
				f.revoke(g1, p)
			}
			f.s.Settle(f.t)
			v.flows(f.t, rule+" a rule for port 8300")
		}
	})
	f.row(t, "AS-D09", func(f *studio) {
		fleet := f.running(f.asked("udp", g1))
		stack := f.stack(fleet, &streaming.StreamingExperienceSettings{PreferredProtocol: streaming.PreferredProtocolUdp})
		v := f.watch(stack, fleet, "bob")
		v.flows(f.t, "over UDP without any rule")
		p := f.instance(fleet)
		if sockets := f.inside(p, "cat", "/proc/net/udp"); !strings.Contains(sockets, ":206C") { // 8300
			f.t.Errorf("nobody listens on UDP port 8300: %s", sockets)
		}
		check(f.t, "over UDP without any rule", dropped(connects(p, "tcp", server.ip, 443)))
		v.close()
	})
	f.row(t, "AS-D19", func(f *studio) {
		in := f.asked("multi", g1)
		in.MaxSessionsPerInstance, in.ComputeCapacity = aws.Int32(2), &streaming.ComputeCapacity{DesiredSessions: aws.Int32(2)}
		fleet := f.running(in)
		stack := f.stack(fleet, nil)
		a, b := f.watch(stack, fleet, "ann"), f.watch(stack, fleet, "ben")
		live := f.sessions(stack, fleet)
		if len(live) != 2 || a.session == b.session || a.instance != b.instance ||
			*live[0].NetworkAccessConfiguration.EniId != *live[1].NetworkAccessConfiguration.EniId {
			f.t.Errorf("two users on one instance: %+v", live)
		}
		if c := f.fleet(fleet).ComputeCapacityStatus; *c.ActiveUserSessions != 2 || *c.AvailableUserSessions != 0 || *c.ActualUserSessions != 2 {
			f.t.Errorf("the fleet counts %+v", c)
		}
		_, err := f.as.DrainSessionInstance(f.t.Context(), &appstream.DrainSessionInstanceInput{SessionId: &a.session})
		if err != nil {
			f.t.Error(err)
		}
		f.expire(a)
		b.flows(f.t, "the other user has gone")
		f.expire(b)
	})
	_, err := f.as.DrainSessionInstance(t.Context(), &appstream.DrainSessionInstanceInput{SessionId: &v.session})
	rig.WantCode(t, "draining an instance of a single-session fleet", err, notAllowed)
	f.expire(v)
}

// reconnectTo speaks to the server that has come after the one of before.
func (f *studio) reconnectTo(region string) {
	f.reconnect()
	f.as = appstream.NewFromConfig(f.s.API.Config, func(o *appstream.Options) { o.Region = region })
}

// TestStreamsOutliveTheServer is case D18, and of section 10 that transitions are
// resumed: the process is killed in the middle of a session and of a start.
func TestStreamsOutliveTheServer(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	f := newStudioOn(t, s, "us-east-1", "kill")
	reconnect := func(f *studio) { f.reconnectTo("us-east-1") }
	g1, srv := f.bare("g1"), f.group("srv")
	f.allow(srv, permission("tcp", 1, 65535, "10.50.0.0/16"))
	f.allowEgress(g1, permission("tcp", 443, 443, srv))
	server := f.serving(srv, 443, 80)
	fleet := f.running(f.asked("F", g1))
	stack := f.stack(fleet, nil)
	p := f.instance(fleet)
	f.row(t, "AS-D18", func(f *studio) {
		v := f.watch(stack, fleet, "bob")
		f.awaitConnected(stack, fleet, v)
		open, shut := connects(p, "tcp", server.ip, 443), dropped(connects(p, "tcp", server.ip, 80))
		check(f.t, "served", open, shut)
		v.flows(f.t, "served")
		before := v.longest()
		s.Kill(f.t)
		v.flows(f.t, "no process")
		check(f.t, "no process", open, shut)
		s.Start(f.t)
		reconnect(f)
		v.flows(f.t, "served again")
		check(f.t, "served again", open, shut)
		across := v.longest()
		f.t.Logf("longest time between two frames, one every 20 ms: %s before, %s across the kill", before, across)
		if across > time.Second {
			f.t.Errorf("frames stood still for %s", across)
		}
		f.awaitConnected(stack, fleet, v)
		f.expire(v) // the gateway of before hears of it
	})
	reconnect(f)
	f.row(t, "AS-F11", func(f *studio) {
		in := f.asked("many", g1)
		in.ComputeCapacity.DesiredInstances = aws.Int32(8)
		many := f.create(in)
		for _, moment := range []time.Duration{0, 20 * time.Millisecond, 150 * time.Millisecond} {
			if _, err := f.as.StartFleet(f.t.Context(), &appstream.StartFleetInput{Name: &many}); err != nil {
				f.t.Fatal(err)
			}
			<-time.After(moment)
			s.Kill(f.t)
			s.Start(f.t)
			reconnect(f)
			f.awaitFleetStarted(many)
			f.wantGroups("a fleet whose start was cut off after "+moment.String(), f.enis(many), 8, g1)
			if _, err := f.as.StopFleet(f.t.Context(), &appstream.StopFleetInput{Name: &many}); err != nil {
				f.t.Fatal(err)
			}
			<-time.After(moment)
			s.Kill(f.t)
			s.Start(f.t)
			reconnect(f)
			f.awaitFleetStopped(many)
			f.wantGroups("a fleet whose stop was cut off after "+moment.String(), f.enis(many), 0)
		}
	})
	reconnect(f)
	f.stopFleet(fleet)
	if left := f.enis(fleet); len(left) != 0 {
		t.Errorf("left of a stopped fleet: %d interfaces", len(left))
	}
}
