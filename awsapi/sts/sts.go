// SPDX-License-Identifier: Apache-2.0

// Package sts is the Security Token Service as far as Hedgeward has it: who am I
// (docs/spec/ec2-api.md section 11.3). It issues no credentials and reads nothing
// but the signature that was verified already.
package sts

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/sts/ststypes"
)

// New returns the service.
func New() *awsapi.Service {
	return awsapi.NewService(ststypes.Model, awsapi.AWSQuery, awsapi.Op("GetCallerIdentity", getCallerIdentity))
}

// getCallerIdentity answers from the signature alone; it can fail for nobody
// whose signature is good.
func getCallerIdentity(c *awsapi.Call, _ *ststypes.GetCallerIdentityRequest) (func(context.Context) (*ststypes.GetCallerIdentityResponse, error), error) {
	return func(context.Context) (*ststypes.GetCallerIdentityResponse, error) {
		return &ststypes.GetCallerIdentityResponse{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
	}, nil
}
