// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Service answers EC2's operations from control.
type Service struct {
	control *control.Service
}

// New returns the service as awsapi serves it.
func New(c *control.Service) *awsapi.Service {
	s := &Service{control: c}
	return awsapi.NewService(ec2types.Model, awsapi.EC2Query, s.operations()...)
}

// operations returns everything that the installation offers.
func (s *Service) operations() []awsapi.Operation {
	return slices.Concat(
		s.regionOperations(),
		s.vpcOperations(),
		s.subnetOperations(),
		s.tagOperations(),
		s.companionOperations(),
		s.peeringOperations(),
		s.relatedOperations(),
		s.routeTableOperations(),
		s.gatewayOperations(),
		s.elasticIPOperations(),
		s.groupOperations(),
		s.prefixListOperations(),
		s.interfaceOperations(),
		s.instanceOperations(),
		s.catalogueOperations(),
		s.launchTemplateOperations(),
	)
}

// operation is awsapi.Op for operations of EC2. Before any of them looks at
// anything, the caller's account gets what it is born with in the Region
// (docs/spec/ec2-api.md section 4.2).
func operation[In, Out any](s *Service, name string, prepare func(*awsapi.Call, *In) (func(context.Context) (*Out, error), error)) awsapi.Operation {
	return awsapi.Op(name, func(c *awsapi.Call, in *In) (func(context.Context) (*Out, error), error) {
		run, err := prepare(c, in)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (*Out, error) {
			if err := s.control.EnsureRegion(ctx, scopeOf(c)); err != nil {
				return nil, err
			}
			return run(ctx)
		}, nil
	})
}

// scopeOf returns what the caller sees: resources of its account in the Region
// that it signed for.
func scopeOf(c *awsapi.Call) secgroup.Scope {
	return secgroup.Scope{Account: c.Account, Region: c.Region}
}

// callerOf returns on whose behalf control works.
func callerOf(c *awsapi.Call) control.Caller {
	return control.Caller{Scope: scopeOf(c), ARN: c.ARN}
}

// missing refuses a request that lacks a parameter, under the name that the
// operation uses for it.
func missing(name string) error {
	return secgroup.Errorf("MissingParameter", "The request must contain the parameter %s", name)
}
