// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestFleetRules is docs/spec/appstream.md section 12.A, and of 12.D what is
// about user data, with one fleet in group g1.
func TestFleetRules(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "rules")
	g1, g2 := f.bare("g1"), f.bare("g2")
	lic, file, db, web := f.group("lic"), f.group("file"), f.group("db"), f.group("web")
	f.allow(lic, permission("tcp", 27000, 27000, g1))
	f.allow(file, permission("tcp", 445, 445, g1))
	f.allow(db, permission("tcp", 5432, 5432, g1))
	f.allow(web, permission("tcp", 1, 65535, anywhere))
	servers := f.world.run(lic, file, db, web)
	for n, ports := range [][]int{{27000}, {445}, {5432}, {443, 80}} {
		servers[n].listen(t, ports...)
	}
	in := f.asked("F", g1)
	fleet := f.create(in)

	f.row(t, "AS-A08", func(f *studio) {
		f.wantGroups("a fleet that was never started", f.enis(fleet), 0)
		got, err := f.api.DescribeNetworkInterfaces(f.t.Context(), &ec2.DescribeNetworkInterfacesInput{
			Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{g1}}},
		})
		if err != nil || len(got.NetworkInterfaces) != 0 {
			f.t.Errorf("members of the group of a stopped fleet: %+v, %v", got.NetworkInterfaces, err)
		}
	})
	f.startFleet(fleet)
	f.row(t, "AS-A01", func(f *studio) {
		got, err := f.api.DescribeNetworkInterfaces(f.t.Context(), &ec2.DescribeNetworkInterfacesInput{
			Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{g1}}},
		})
		if err != nil || len(got.NetworkInterfaces) != 1 {
			f.t.Fatalf("members of the group: %+v, %v", got.NetworkInterfaces, err)
		}
		i := got.NetworkInterfaces[0]
		f.wantGroups("the fleet", got.NetworkInterfaces, 1, g1)
		if *i.SubnetId != f.r1 || i.Status != "in-use" || !*i.RequesterManaged || i.InterfaceType != "interface" ||
			*i.Attachment.InstanceOwnerId == *i.OwnerId || *i.Description != "AppStream fleet "+fleet {
			f.t.Errorf("the interface is %+v", i)
		}
	})
	probe := f.instance(fleet)
	toLIC, toFILE := connects(probe, "tcp", servers[0].ip, 27000), connects(probe, "tcp", servers[1].ip, 445)
	toDB, toWEB := connects(probe, "tcp", servers[2].ip, 5432), connects(probe, "tcp", servers[3].ip, 443)

	f.row(t, "AS-A09", func(f *studio) {
		check(f.t, "without any rule", dropped(toLIC), dropped(toFILE), dropped(toDB), dropped(toWEB))
	})
	f.row(t, "AS-A03", func(f *studio) {
		f.allowEgress(g1, permission("tcp", 27000, 27000, lic))
		f.s.Settle(f.t)
		check(f.t, "27000 to the licence server alone", toLIC, dropped(toFILE), dropped(toDB))
	})
	f.row(t, "AS-A04 AS-D05 AS-C16", func(f *studio) {
		f.allowEgress(g1, permission("tcp", 445, 445, file))
		f.s.Settle(f.t)
		check(f.t, "445 added while running", toLIC, toFILE)
		f.revokeEgress(g1, permission("tcp", 445, 445, file))
		f.s.Settle(f.t)
		check(f.t, "and taken away", toLIC, dropped(toFILE))
	})
	f.row(t, "AS-A05", func(f *studio) {
		f.allowEgress(g1, permission("tcp", 5432, 5432, "10.50.0.0/16"))
		f.s.Settle(f.t)
		check(f.t, "both ends admit", toDB)
		f.revoke(db, permission("tcp", 5432, 5432, g1))
		f.s.Settle(f.t)
		check(f.t, "the database admits no more", dropped(toDB))
	})
	f.row(t, "AS-A10 AS-D06", func(f *studio) {
		probe.listen(f.t, 3389)
		in := connects(servers[3], "tcp", probe.ip, 3389)
		check(f.t, "without ingress", dropped(in))
		f.allow(g1, permission("tcp", 3389, 3389, "10.50.0.0/16"))
		f.s.Settle(f.t)
		check(f.t, "with ingress", in)
		f.revoke(g1, permission("tcp", 3389, 3389, "10.50.0.0/16"))
	})
	f.row(t, "AS-A11 AS-D03 AS-D04", func(f *studio) {
		check(f.t, "storage and web before a rule for 443", dropped(toWEB))
		f.allowEgress(g1, permission("tcp", 443, 443, anywhere))
		f.s.Settle(f.t)
		check(f.t, "443 alone", toWEB, dropped(connects(probe, "tcp", servers[3].ip, 80)))
		check(f.t, "and not in", dropped(connects(servers[3], "tcp", probe.ip, 3389)))
	})
	f.row(t, "AS-A15", func(f *studio) {
		c := talk(f.t, probe, "tcp", servers[0].ip, 27000, "")
		f.revokeEgress(g1, permission("tcp", 27000, 27000, lic))
		f.s.Settle(f.t)
		check(f.t, "the licence rule is revoked", c.goesOn(), dropped(toLIC))
	})
	f.row(t, "AS-A07 AS-A06", func(f *studio) {
		f.allowEgress(g1, permission("tcp", 27000, 27000, lic))
		f.allow(db, permission("tcp", 5432, 5432, g1))
		f.stopFleet(fleet)
		if err := f.setGroups(fleet, g2); err != nil {
			f.t.Fatal(err)
		}
		f.startFleet(fleet)
		p := f.instance(fleet)
		check(f.t, "g1 is not associated", dropped(connects(p, "tcp", servers[0].ip, 27000)), dropped(connects(p, "tcp", servers[3].ip, 443)))
		f.allowEgress(g2, permission("-1", -1, -1, anywhere))
		f.s.Settle(f.t)
		check(f.t, "the database admits members of g1", dropped(connects(p, "tcp", servers[2].ip, 5432)), connects(p, "tcp", servers[3].ip, 443))
		f.stopFleet(fleet)
		if err := f.setGroups(fleet, g1, g2); err != nil {
			f.t.Fatal(err)
		}
		f.startFleet(fleet)
		p = f.instance(fleet)
		check(f.t, "with g1 and g2", connects(p, "tcp", servers[2].ip, 5432))
	})
	f.stopFleet(fleet)
}

// TestFleetsSideBySide is about fleets and instances that differ.
func TestFleetsSideBySide(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "side")
	lic, db := f.group("lic"), f.group("db")
	g1, g2 := f.bare("g1"), f.bare("g2")
	f.allow(lic, permission("tcp", 27000, 27000, "10.50.0.0/16"))
	f.allow(db, permission("tcp", 5432, 5432, "10.50.0.0/16"))
	licence, database := f.serving(lic, 27000), f.serving(db, 5432)
	f.allowEgress(g1, permission("tcp", 27000, 27000, lic))
	f.allowEgress(g2, permission("tcp", 5432, 5432, db))
	two := f.asked("two", g1)
	two.ComputeCapacity.DesiredInstances = aws.Int32(2)
	one, second := f.running(two), f.running(f.asked("second", g2))
	both := f.running(f.asked("both", g1, g2))
	a, b := f.instances("fleet", one, 2), f.instance(second)
	union := f.instance(both)

	f.row(t, "AS-A12", func(f *studio) {
		check(f.t, "two fleets", connects(a[0], "tcp", licence.ip, 27000), dropped(connects(a[0], "tcp", database.ip, 5432)),
			connects(b, "tcp", database.ip, 5432), dropped(connects(b, "tcp", licence.ip, 27000)))
	})
	f.row(t, "AS-A13", func(f *studio) {
		check(f.t, "the union of two groups", connects(union, "tcp", licence.ip, 27000), connects(union, "tcp", database.ip, 5432))
	})
	f.row(t, "AS-A14", func(f *studio) {
		a[1].listen(f.t, 9000)
		toPeer := connects(a[0], "tcp", a[1].ip, 9000)
		check(f.t, "instances of a fleet without a self rule", dropped(toPeer))
		f.allow(g1, permission("tcp", 9000, 9000, g1))
		f.s.Settle(f.t)
		check(f.t, "with a self rule in alone", dropped(toPeer))
		f.allowEgress(g1, permission("tcp", 9000, 9000, g1))
		f.s.Settle(f.t)
		check(f.t, "with self rules in and out", toPeer)
	})
	f.row(t, "AS-A16", func(f *studio) {
		g := f.bare("late")
		f.allowEgress(g, permission("tcp", 27000, 27000, lic))
		p := f.instance(f.running(f.asked("late", g)))
		check(f.t, "a new group", connects(p, "tcp", licence.ip, 27000), dropped(connects(p, "tcp", database.ip, 5432)))
	})
	f.row(t, "AS-A17", func(f *studio) {
		g := f.bare("many")
		f.allowEgress(g, permission("tcp", 1, 1, "10.50.0.0/16"))
		in := f.asked("many", g)
		in.ComputeCapacity.DesiredInstances = aws.Int32(10)
		all := f.instances("fleet", f.running(in), 10)
		rules, err := f.api.DescribeSecurityGroupRules(f.t.Context(), &ec2.DescribeSecurityGroupRulesInput{
			Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{g}}},
		})
		if err != nil || len(rules.SecurityGroupRules) != 1 {
			f.t.Fatalf("rules of the group: %+v, %v", rules, err)
		}
		var shut, opened []probe
		for _, p := range all {
			opened = append(opened, connects(p, "tcp", licence.ip, 27000))
			shut = append(shut, dropped(connects(p, "tcp", licence.ip, 27000)))
		}
		check(f.t, "ten instances before", shut...)
		_, err = f.api.ModifySecurityGroupRules(f.t.Context(), &ec2.ModifySecurityGroupRulesInput{
			GroupId: &g, SecurityGroupRules: []types.SecurityGroupRuleUpdate{{
				SecurityGroupRuleId: rules.SecurityGroupRules[0].SecurityGroupRuleId,
				SecurityGroupRule: &types.SecurityGroupRuleRequest{
					IpProtocol: aws.String("tcp"), FromPort: aws.Int32(27000), ToPort: aws.Int32(27000), CidrIpv4: aws.String("10.50.0.0/16"),
				},
			}},
		})
		if err != nil {
			f.t.Fatal(err)
		}
		f.s.Settle(f.t)
		check(f.t, "ten instances after the rule was modified", opened...)
	})
	f.row(t, "AS-A02", func(f *studio) {
		name := f.builder("builder", g1)
		b := f.imageBuilder(name)
		i := f.interfacesOf("image-builder", name)
		f.wantGroups("the image builder", i, 1, g1)
		if n := b.NetworkAccessConfiguration; n == nil || *n.EniId != *i[0].NetworkInterfaceId || *n.EniPrivateIpAddress != *i[0].PrivateIpAddress {
			f.t.Errorf("the image builder shows %+v", n)
		}
		p := f.instances("image-builder", name, 1)[0]
		check(f.t, "an image builder", connects(p, "tcp", licence.ip, 27000), dropped(connects(p, "tcp", database.ip, 5432)))
	})
}

// askedBuilder returns an image builder as cases ask for it.
func (f *studio) askedBuilder(name string, groups ...string) *appstream.CreateImageBuilderInput {
	return &appstream.CreateImageBuilderInput{
		Name: aws.String(f.name + name), InstanceType: aws.String(streamType), ImageName: aws.String(streamImage),
		VpcConfig: &streaming.VpcConfig{SubnetIds: []string{f.r1}, SecurityGroupIds: groups},
	}
}

// builder makes an image builder and waits until it runs.
func (f *studio) builder(name string, groups ...string) string {
	f.t.Helper()
	made, err := f.as.CreateImageBuilder(f.t.Context(), f.askedBuilder(name, groups...))
	if err != nil {
		f.t.Fatal(err)
	}
	f.awaitBuilder(*made.ImageBuilder.Name, streaming.ImageBuilderStateRunning)
	return *made.ImageBuilder.Name
}

func (f *studio) imageBuilder(name string) streaming.ImageBuilder {
	f.t.Helper()
	got, err := f.as.DescribeImageBuilders(f.t.Context(), &appstream.DescribeImageBuildersInput{Names: []string{name}})
	if err != nil || len(got.ImageBuilders) != 1 {
		f.t.Fatalf("describe image builder %s: %+v, %v", name, got, err)
	}
	return got.ImageBuilders[0]
}

func (f *studio) awaitBuilder(name string, state streaming.ImageBuilderState) {
	f.t.Helper()
	eventually(f.t, name+" is "+string(state), func() bool { return f.imageBuilder(name).State == state })
	f.s.Settle(f.t)
}
