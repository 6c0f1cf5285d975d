// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/test/rig"
)

const (
	invalid     = "ValidationException"
	combination = "InvalidParameterCombinationException"
	notFound    = "ResourceNotFoundException"
	inUse       = "ResourceInUseException"
	notAllowed  = "OperationNotPermittedException"
	limit       = "LimitExceededException"
)

// refusesFleet expects that a fleet cannot be made, and that nothing of it is.
func (f *studio) refusesFleet(want, text string, in *appstream.CreateFleetInput) {
	f.t.Helper()
	_, err := f.as.CreateFleet(f.t.Context(), in)
	rig.WantCode(f.t, "CreateFleet "+*in.Name, err, want)
	if err == nil || !strings.Contains(err.Error(), text) {
		f.t.Errorf("CreateFleet %s does not say %q: %v", *in.Name, text, err)
	}
	_, err = f.as.DescribeFleets(f.t.Context(), &appstream.DescribeFleetsInput{Names: []string{*in.Name}})
	rig.WantCode(f.t, "DescribeFleets of one that was refused", err, notFound)
}

// TestFleetChoosesGroups is docs/spec/appstream.md section 12.B.
func TestFleetChoosesGroups(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "choice")
	var groups []string
	for n := range 6 {
		groups = append(groups, f.bare("g"+string(rune('1'+n))))
	}
	def := f.defaultGroup()
	peer := f.serving(def, 8080)

	f.row(t, "AS-B01", func(f *studio) {
		srv := f.group("srv")
		f.allow(srv, permission("tcp", 1, 65535, "10.50.0.0/16"))
		s := f.serving(srv, 7001, 7005, 7009)
		f.allowEgress(groups[0], permission("tcp", 7001, 7001, srv))
		f.allowEgress(groups[4], permission("tcp", 7005, 7005, srv))
		fleet := f.running(f.asked("five", groups[:5]...))
		f.wantGroups(fleet, f.enis(fleet), 1, groups[:5]...)
		p := f.instance(fleet)
		check(f.t, "five groups", connects(p, "tcp", s.ip, 7001), connects(p, "tcp", s.ip, 7005), dropped(connects(p, "tcp", s.ip, 7009)))
		f.stopFleet(fleet)
	})
	f.row(t, "AS-B02", func(f *studio) {
		f.refusesFleet(invalid, "less than or equal to 5", f.asked("six", groups...))
	})
	f.row(t, "AS-B03", func(f *studio) {
		_, err := f.as.CreateImageBuilder(f.t.Context(), f.askedBuilder("six", groups...))
		rig.WantCode(f.t, "an image builder with six groups", err, invalid)
		name := f.builder("five", groups[:5]...)
		f.wantGroups(name, f.interfacesOf("image-builder", name), 1, groups[:5]...)
	})
	f.row(t, "AS-B04", func(f *studio) {
		f.s.Command(f.t, "quota", "set", "groups-per-interface", "16", "--region", studioRegion)
		f.refusesFleet(invalid, "less than or equal to 5", f.asked("six", groups...))
		f.s.Command(f.t, "quota", "reset", "groups-per-interface", "--region", studioRegion)
	})
	f.row(t, "AS-B05", func(f *studio) {
		fleet := f.create(f.asked("keeps", groups[0]))
		rig.WantCode(f.t, "an update to six groups", f.setGroups(fleet, groups...), invalid)
		if got := f.fleet(fleet).VpcConfig.SecurityGroupIds; !slices.Equal(got, groups[:1]) {
			f.t.Errorf("after a refused update the fleet has %v", got)
		}
	})
	f.row(t, "AS-B06 AS-B09 AS-B10", func(f *studio) {
		fleet := f.running(f.asked("none"))
		f.wantGroups(fleet, f.enis(fleet), 1, def)
		if got := f.fleet(fleet).VpcConfig; len(got.SecurityGroupIds) != 0 {
			f.t.Errorf("a fleet without groups shows %v", got.SecurityGroupIds)
		}
		p := f.instance(fleet)
		p.listen(f.t, 8081)
		check(f.t, "members of the default group", connects(p, "tcp", peer.ip, 8080), connects(peer, "tcp", p.ip, 8081))
		f.revokeEgress(def, permission("-1", -1, -1, anywhere))
		f.s.Settle(f.t)
		check(f.t, "the default group lets nothing out", dropped(connects(p, "tcp", peer.ip, 8080)))
		f.allowEgress(def, permission("-1", -1, -1, anywhere))
		f.stopFleet(fleet)
	})
	f.row(t, "AS-B07", func(f *studio) {
		name := f.builder("none")
		f.wantGroups(name, f.interfacesOf("image-builder", name), 1, def)
	})
	f.row(t, "AS-B08", func(f *studio) {
		in := f.asked("empty")
		in.VpcConfig.SecurityGroupIds = []string{}
		fleet := f.running(in)
		f.wantGroups(fleet, f.enis(fleet), 1, def)
	})
	f.row(t, "AS-B11", func(f *studio) {
		vpcs, err := f.api.DescribeVpcs(f.t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{f.vpc}})
		if err != nil || *vpcs.Vpcs[0].IsDefault {
			f.t.Fatalf("the VPC of these tests must be another than the default VPC: %v", err)
		}
		fleet := f.running(f.asked("other"))
		f.wantGroups(fleet, f.enis(fleet), 1, def)
	})
	f.row(t, "AS-B12", func(f *studio) {
		other := f.second("10.51.0.0/16").group("x1")
		f.refusesFleet(combination, "Security group "+other+" and subnet "+f.r1+" belong to different networks.", f.asked("foreign", groups[0], other))
	})
	f.row(t, "AS-B13", func(f *studio) {
		f.refusesFleet(notFound, "The security group sg-00000000 does not exist.", f.asked("unknown", "sg-00000000"))
		f.refusesFleet(notFound, "The security group web does not exist.", f.asked("unknown", "web"))
		in := f.asked("unknown", groups[0])
		in.VpcConfig.SubnetIds = []string{"subnet-00000000"}
		f.refusesFleet(notFound, "The subnet subnet-00000000 does not exist.", in)
	})
	f.row(t, "AS-B14", func(f *studio) {
		fleet := f.running(f.asked("twice", groups[1], groups[0], groups[1]))
		f.wantGroups(fleet, f.enis(fleet), 1, groups[1], groups[0])
	})
	f.row(t, "AS-B15", func(f *studio) {
		in := f.asked("nosubnet", groups[0])
		in.VpcConfig.SubnetIds = nil
		f.refusesFleet(combination, "subnet", in)
	})
	f.row(t, "AS-B16", func(f *studio) {
		in := f.askedBuilder("two", groups[0])
		in.VpcConfig.SubnetIds = []string{f.r1, f.r2}
		_, err := f.as.CreateImageBuilder(f.t.Context(), in)
		rig.WantCode(f.t, "an image builder with two subnets", err, combination)
	})
	f.row(t, "AS-B17", func(f *studio) {
		one := f.elastic("one", groups[0])
		one.VpcConfig.SubnetIds = []string{f.r1}
		f.refusesFleet(combination, "two or more subnets", one)
		same := f.elastic("same", groups[0])
		same.VpcConfig.SubnetIds = []string{f.r1, f.subnetIn(f.zoneOf(f.r1), "10.50.3.0/24")}
		f.refusesFleet(combination, "different Availability Zones", same)
		none := f.elastic("nowhere")
		none.VpcConfig = nil
		f.refusesFleet(combination, "VpcConfig", none)
	})
	f.row(t, "AS-B18", func(f *studio) {
		fleet := f.running(f.elastic("elastic", groups[0]))
		f.wantGroups("an elastic fleet without a session", f.enis(fleet), 0)
		v := f.watch(f.stack(fleet, nil), fleet, "bob")
		i := f.enis(fleet)
		f.wantGroups("an elastic fleet with one session", i, 1, groups[0])
		if at := *i[0].SubnetId; at != f.r1 && at != f.r2 {
			f.t.Errorf("the interface is in %s", at)
		}
		f.expire(v)
		eventually(f.t, "the interface of the session is gone", func() bool { return len(f.enis(fleet)) == 0 })
	})
}

// elastic returns an elastic fleet in two zones.
func (f *studio) elastic(name string, groups ...string) *appstream.CreateFleetInput {
	return &appstream.CreateFleetInput{
		Name: aws.String(f.name + name), InstanceType: aws.String("stream.standard.small"), FleetType: streaming.FleetTypeElastic,
		Platform: streaming.PlatformTypeAmazonLinux2, MaxConcurrentSessions: aws.Int32(2),
		VpcConfig: &streaming.VpcConfig{SubnetIds: []string{f.r1, f.r2}, SecurityGroupIds: groups},
	}
}

// expire ends the session of a viewer.
func (f *studio) expire(v *viewer) {
	f.t.Helper()
	if _, err := f.as.ExpireSession(f.t.Context(), &appstream.ExpireSessionInput{SessionId: &v.session}); err != nil {
		f.t.Fatal(err)
	}
	v.ends(f.t, "after ExpireSession")
}
