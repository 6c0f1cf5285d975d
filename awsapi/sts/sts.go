// SPDX-License-Identifier: Apache-2.0

// Package sts is the Security Token Service as far as Hedgeward has it: who am I,
// and credentials for a while (docs/spec/ec2-api.md sections 11.3 and 11.5). It
// checks the form of requests; who may become what is control's to judge, and
// nothing is stored.
package sts

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/sts/ststypes"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Service answers STS's operations.
type Service struct {
	control *control.Service
}

// New returns the service as awsapi serves it.
func New(c *control.Service) *awsapi.Service {
	s := &Service{c}
	return awsapi.NewService(ststypes.Model, awsapi.AWSQuery,
		awsapi.Op("GetCallerIdentity", getCallerIdentity),
		awsapi.Op("AssumeRole", s.assumeRole),
		awsapi.Op("GetSessionToken", s.getSessionToken))
}

// getCallerIdentity answers from the signature alone; it can fail for nobody
// whose signature is good.
func getCallerIdentity(c *awsapi.Call, _ *ststypes.GetCallerIdentityRequest) (func(context.Context) (*ststypes.GetCallerIdentityResponse, error), error) {
	return func(context.Context) (*ststypes.GetCallerIdentityResponse, error) {
		return &ststypes.GetCallerIdentityResponse{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
	}, nil
}

// Authorizer lets everybody call what STS offers: two operations need no
// permission, and AssumeRole asks the role's trust policy together with the
// caller's policies when it runs.
type Authorizer struct{}

// Authorize implements awsapi.Authorizer.
func (Authorizer) Authorize(_ context.Context, c *awsapi.Call, in any) error {
	switch in := in.(type) {
	case *ststypes.GetCallerIdentityRequest, *ststypes.GetSessionTokenRequest:
		c.Resources = []string{"*"}
		return nil
	case *ststypes.AssumeRoleRequest:
		c.Resources = []string{*in.RoleArn}
		return nil
	}
	return secgroup.Errorf("AccessDenied", "User: %s is not authorized to perform: sts:%s on resource: *", c.ARN, c.Action)
}
