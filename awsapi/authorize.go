// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"context"

	"github.com/hedgeward/hedgeward/secgroup"
)

// ByService asks the Authorizer of a call's service. A service without one is
// closed.
type ByService map[string]Authorizer

// Authorize implements Authorizer.
func (b ByService) Authorize(ctx context.Context, c *Call, in any) error {
	if a := b[c.Service]; a != nil {
		return a.Authorize(ctx, c, in)
	}
	return secgroup.Errorf("AccessDenied", "User: %s is not authorized to perform: %s:%s because nobody is", c.ARN, c.Service, c.Action)
}
