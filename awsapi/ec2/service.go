// SPDX-License-Identifier: Apache-2.0

package ec2

import (
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
		s.endpointOperations(),
		s.natGatewayOperations(),
		s.groupOperations(),
		s.prefixListOperations(),
		s.interfaceOperations(),
		s.instanceOperations(),
		s.catalogueOperations(),
		s.launchTemplateOperations(),
	)
}

// missing refuses a request that lacks a parameter, under the name that the
// operation uses for it.
func missing(name string) error {
	return secgroup.Errorf("MissingParameter", "The request must contain the parameter %s", name)
}
