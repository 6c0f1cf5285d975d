// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestDemoAgreesAndCleansUp runs the demonstration, which judges itself, and
// sees that its VPC is gone.
func TestDemoAgreesAndCleansUp(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	for _, demo := range [][]string{{"demo"}, {"demo", "appstream"}} {
		agrees(t, s, demo)
	}
}

// agrees runs one demonstration.
func agrees(t *testing.T, s *rig.Server, demo []string) {
	t.Helper()
	out := s.Command(t, demo...)
	if !regexp.MustCompile(`(?m)^All \d\d+ probes agree with the specification\.$`).MatchString(out) {
		t.Errorf("demo says\n%s", out)
	}
	left, err := s.API.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{
		Filters: []types.Filter{{Name: aws.String("cidr"), Values: []string{"10.77.0.0/16"}}},
	})
	if err != nil || len(left.Vpcs) > 0 {
		t.Errorf("left of the demonstration: %+v, %v", left, err)
	}
}

// TestDemoWithoutServer says what is missing.
func TestDemoWithoutServer(t *testing.T) {
	t.Parallel()
	(&rig.Server{State: t.TempDir()}).Refuses(t, []string{"no server runs", "hedgeward up"}, "demo")
}
