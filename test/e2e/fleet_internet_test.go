// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"net"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/test/rig"
)

// joinInternet gives the VPC an internet gateway and the subnet r1 a route to it.
func (f *studio) joinInternet() {
	f.t.Helper()
	ctx := f.t.Context()
	made, err := f.api.CreateInternetGateway(ctx, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	gateway := made.InternetGateway.InternetGatewayId
	if _, err := f.api.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway, VpcId: &f.vpc}); err != nil {
		f.t.Fatal(err)
	}
	table, err := f.api.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &f.vpc})
	if err != nil {
		f.t.Fatal(err)
	}
	id := table.RouteTable.RouteTableId
	if _, err := f.api.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: id, DestinationCidrBlock: aws.String(anywhere), GatewayId: gateway}); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.api.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: id, SubnetId: &f.r1}); err != nil {
		f.t.Fatal(err)
	}
}

// TestFleetsReachTheInternet is docs/spec/appstream.md section 12.E with packets:
// r1 is a public subnet, r2 has no way out.
func TestFleetsReachTheInternet(t *testing.T) {
	t.Parallel()
	name, outside := newInternet(t)
	for _, port := range []string{"443", "22"} {
		if _, _, err := outside.order(order{Do: "listen", Network: "tcp", Address: net.JoinHostPort(outside4, port)}); err != nil {
			t.Fatal(err)
		}
	}
	f := newStudioOn(t, rig.New(t, "--internet", name), "us-east-1", "web")
	f.joinInternet()
	g1 := f.bare("g1")
	public := func(name string, groups ...string) *appstream.CreateFleetInput {
		in := f.asked(name, groups...)
		in.EnableDefaultInternetAccess = aws.Bool(true)
		return in
	}
	https := permission("tcp", 443, 443, anywhere)
	fleet := f.running(public("F", g1))
	p := f.instance(fleet)
	f.row(t, "AS-E01", func(f *studio) {
		if a := f.enis(fleet)[0].Association; a == nil || aws.ToString(a.PublicIp) == "" {
			f.t.Errorf("the interface has no public address: %+v", a)
		}
		check(f.t, "no egress rule", dropped(connects(p, "tcp", outside4, 443)))
	})
	f.row(t, "AS-E02 AS-D04", func(f *studio) {
		f.allowEgress(g1, https)
		f.s.Settle(f.t)
		check(f.t, "443 allowed", connects(p, "tcp", outside4, 443), dropped(connects(p, "tcp", outside4, 80)))
	})
	f.row(t, "AS-E05", func(f *studio) {
		at := *f.enis(fleet)[0].Association.PublicIp
		p.listen(f.t, 8443)
		in := local(connects(outside, "tcp", at, 8443), outside4)
		check(f.t, "from outside without a rule", dropped(in))
		f.allow(g1, permission("tcp", 8443, 8443, outside4+"/32"))
		f.s.Settle(f.t)
		check(f.t, "from outside with a rule", in)
	})
	f.row(t, "AS-E03", func(f *studio) {
		in := public("noroute", g1)
		in.VpcConfig.SubnetIds = []string{f.r2}
		name := f.running(in)
		f.wantErrors(name)
		check(f.t, "no route", dropped(connects(f.instance(name), "tcp", outside4, 443)))
	})
	f.row(t, "AS-E07", func(f *studio) {
		check(f.t, "no public address", dropped(connects(f.instance(f.running(f.asked("private", g1))), "tcp", outside4, 443)))
	})
	f.row(t, "AS-E10", func(f *studio) {
		check(f.t, "the default group", connects(f.instance(f.running(public("default"))), "tcp", outside4, 443))
	})
	f.row(t, "AS-E11", func(f *studio) {
		g := f.bare("builder")
		f.allowEgress(g, https)
		f.allowEgress(g, permission("tcp", 80, 80, anywhere))
		in := f.askedBuilder("builder", g)
		in.EnableDefaultInternetAccess = aws.Bool(true)
		if _, err := f.as.CreateImageBuilder(f.t.Context(), in); err != nil {
			f.t.Fatal(err)
		}
		f.awaitBuilder(*in.Name, streaming.ImageBuilderStateRunning)
		b := f.instances("image-builder", *in.Name, 1)[0]
		check(f.t, "an image builder", connects(b, "tcp", outside4, 443), connects(b, "tcp", outside4, 80), dropped(connects(b, "tcp", outside4, 22)))
	})
	f.stopFleet(fleet)
}
