// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestTerraformFleets takes a fleet, a stack, their association and an image
// builder through their life, and changes the groups of the fleet while it runs
// and while it is stopped. AS-G08: the provider stops, updates and starts it.
func TestTerraformFleets(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	s.Command(t, "quota", "set", "vpcs-per-region", "20", "--region", "us-east-1")
	api := appstream.NewFromConfig(s.API.Config)
	f := newTerraform(t, "terraform-fleets")
	fleet := &appstream.DescribeFleetsInput{Names: []string{"tf-running"}}
	inGroup := func(second int) {
		t.Helper()
		got, err := api.DescribeFleets(t.Context(), fleet)
		if err != nil || len(got.Fleets) != 1 {
			t.Fatalf("describe the fleet: %+v, %v", got, err)
		}
		var want []string
		for _, r := range f.show(t).Values.Root.Resources {
			if r.Type == "aws_security_group" && r.text("name") == []string{"fleet-0", "fleet-1"}[second] {
				want = []string{r.text("id")}
			}
		}
		if have := got.Fleets[0]; !slices.Equal(have.VpcConfig.SecurityGroupIds, want) || have.State != types.FleetStateRunning {
			t.Errorf("the fleet is %s in groups %v, want it running in %v", have.State, have.VpcConfig.SecurityGroupIds, want)
		}
	}

	f.want(t, "apply", "-no-color", "-auto-approve")
	f.empty(t, "false")
	inGroup(0)
	f.want(t, "plan", "-no-color", "-var=second=true", "-out=second.plan")
	for what, addresses := range f.show(t, "second.plan").actions() {
		if what != "update" {
			t.Errorf("the second configuration wants to %s %s", what, addresses)
		}
	}
	f.want(t, "apply", "-no-color", "second.plan")
	f.empty(t, "true")
	inGroup(1)

	if _, err := api.StopFleet(t.Context(), &appstream.StopFleetInput{Name: &fleet.Names[0]}); err != nil {
		t.Fatal(err)
	}
	stopped := appstream.NewFleetStoppedWaiter(api, func(o *appstream.FleetStoppedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second })
	if err := stopped.Wait(t.Context(), fleet, time.Minute); err != nil {
		t.Fatal(err)
	}
	f.want(t, "apply", "-no-color", "-auto-approve")
	f.empty(t, "false")
	if _, err := api.StartFleet(t.Context(), &appstream.StartFleetInput{Name: &fleet.Names[0]}); err != nil {
		t.Fatal(err)
	}
	// The provider deletes image builders without stopping them, which case F10
	// of docs/spec/appstream.md refuses: see there, section 13.
	builder := &appstream.DescribeImageBuildersInput{Names: []string{"tf-builder"}}
	if _, err := api.StopImageBuilder(t.Context(), &appstream.StopImageBuilderInput{Name: &builder.Names[0]}); err != nil {
		t.Fatal(err)
	}
	for state := types.ImageBuilderStateStopping; state != types.ImageBuilderStateStopped; {
		got, err := api.DescribeImageBuilders(t.Context(), builder)
		if err != nil || len(got.ImageBuilders) != 1 {
			t.Fatalf("describe the image builder: %+v, %v", got, err)
		}
		state = got.ImageBuilders[0].State
	}
	f.want(t, "destroy", "-no-color", "-auto-approve")
	if _, err := api.DescribeFleets(t.Context(), fleet); rig.Code(err) != "ResourceNotFoundException" {
		t.Errorf("after destroy the fleet answers %v", err)
	}
}
