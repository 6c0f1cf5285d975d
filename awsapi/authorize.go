// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"context"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/control"
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

// WholeService judges every operation of a service as touching nothing in
// particular. Refusals have the given code.
type WholeService struct {
	Control *control.Service
	Code    string
}

// Authorize implements Authorizer.
func (w WholeService) Authorize(_ context.Context, c *Call, _ any) error {
	c.Resources = []string{"*"}
	r := access.Request{Action: c.Service + ":" + c.Action, Resource: "*", Context: c.Circumstances()}
	if refusal := w.Control.Judge(c.Actor(), []access.Request{r}); refusal != nil {
		return secgroup.Errorf(w.Code, "%s", refusal.Sentence())
	}
	return nil
}
