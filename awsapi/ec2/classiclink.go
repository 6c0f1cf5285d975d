// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/secgroup"
)

// errNoClassicLink is what a Region answers that never had EC2-Classic. Ansible's
// ec2_vpc_net asks for every VPC and knows this text, not only its code
// (docs/spec/ec2-api.md section 4.4).
var errNoClassicLink = secgroup.Errorf("UnsupportedOperation", "The functionality you requested is not available in this region.")

// noClassicLink prepares a call that has this answer whatever it asks.
func noClassicLink[In, Out any](*awsapi.Call, *In) (func(context.Context) (*Out, error), error) {
	return func(context.Context) (*Out, error) { return nil, errNoClassicLink }, nil
}
