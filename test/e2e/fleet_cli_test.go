// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

// TestFleetsWithTheAWSCLI is what section 12.G of docs/spec/appstream.md says of
// the command line and of the SDK for Go.
func TestFleetsWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "cli")
	g1, g2 := f.bare("g1"), f.bare("g2")
	fleet, builder := f.name+"F", f.name+"B"
	cli := func(args ...string) []string {
		return append([]string{"appstream"}, append(args, "--region", studioRegion, "--output", "json")...)
	}
	f.row(t, "AS-G01", func(f *studio) {
		f.s.API.AWS(f.t, cli("create-fleet", "--name", fleet, "--instance-type", streamType, "--image-name", streamImage,
			"--compute-capacity", "DesiredInstances=1", "--vpc-config", "SubnetIds="+f.r1+",SecurityGroupIds="+g1+","+g2)...)
		f.s.API.AWS(f.t, cli("start-fleet", "--name", fleet)...)
		f.awaitFleetStarted(fleet)
		f.wantGroups(fleet, f.enis(fleet), 1, g1, g2)
	})
	f.row(t, "AS-G02", func(f *studio) {
		update := cli("update-fleet", "--name", fleet, "--vpc-config", "SecurityGroupIds="+g2)
		f.s.API.AWSRefuses(f.t, inUse, "Cannot update the attribute for fleet "+fleet+" "+whileActive, update...)
		f.s.API.AWS(f.t, cli("stop-fleet", "--name", fleet)...)
		f.awaitFleetStopped(fleet)
		f.s.API.AWS(f.t, update...)
		f.startFleet(fleet)
		f.wantGroups(fleet, f.enis(fleet), 1, g2)
	})
	f.row(t, "AS-G09 AS-G05", func(f *studio) {
		f.s.API.AWS(f.t, cli("create-image-builder", "--name", builder, "--instance-type", streamType, "--image-name", streamImage,
			"--vpc-config", "SubnetIds="+f.r1+",SecurityGroupIds="+g1)...)
		f.awaitBuilder(builder, streaming.ImageBuilderStateRunning)
		i := f.interfacesOf("image-builder", builder)[0]
		sameJSON(f.t, f.s.API.AWS(f.t, cli("describe-image-builders", "--names", builder,
			"--query", "ImageBuilders[].[VpcConfig,NetworkAccessConfiguration.EniId,NetworkAccessConfiguration.EniPrivateIpAddress]")...),
			`[[{"SubnetIds": ["`+f.r1+`"], "SecurityGroupIds": ["`+g1+`"]}, "`+*i.NetworkInterfaceId+`", "`+*i.PrivateIpAddress+`"]]`)
		sameJSON(f.t, f.s.API.AWS(f.t, cli("describe-fleets", "--names", fleet, "--query", "Fleets[].[State,VpcConfig]")...),
			`[["RUNNING", {"SubnetIds": ["`+f.r1+`"], "SecurityGroupIds": ["`+g2+`"]}]]`)
	})
	f.row(t, "AS-G04", func(f *studio) {
		attributes := []streaming.FleetAttribute{streaming.FleetAttributeVpcConfigurationSecurityGroupIds}
		_, err := f.as.UpdateFleet(f.t.Context(), &appstream.UpdateFleetInput{Name: &fleet, AttributesToDelete: attributes})
		if refusal := (*streaming.ResourceInUseException)(nil); !errors.As(err, &refusal) || aws.ToString(refusal.Message) == "" {
			f.t.Errorf("deleting groups of a running fleet: %v", err)
		}
		f.stopFleet(fleet)
		got, err := f.as.UpdateFleet(f.t.Context(), &appstream.UpdateFleetInput{Name: &fleet, AttributesToDelete: attributes})
		if err != nil || len(got.Fleet.VpcConfig.SecurityGroupIds) != 0 {
			f.t.Errorf("deleting groups of a stopped fleet: %+v, %v", got, err)
		}
		missing := fleet + "-x"
		_, err = f.as.StartFleet(f.t.Context(), &appstream.StartFleetInput{Name: &missing})
		if refusal := (*streaming.ResourceNotFoundException)(nil); !errors.As(err, &refusal) {
			f.t.Errorf("starting no fleet: %v", err)
		}
	})
}
