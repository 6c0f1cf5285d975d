// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// There are no key pairs, no volumes and no instances with CPU credits: nothing
// makes them. Clients that look are told so.

func (s *Service) describeKeyPairs(_ *awsapi.Call, in *ec2types.DescribeKeyPairsRequest) (func(context.Context) (*ec2types.DescribeKeyPairsResult, error), error) {
	return func(context.Context) (*ec2types.DescribeKeyPairsResult, error) {
		for _, name := range in.KeyNames {
			return nil, secgroup.Errorf("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", name)
		}
		for _, id := range in.KeyPairIds {
			return nil, secgroup.Errorf("InvalidKeyPair.NotFound", "The key pair with ID '%s' does not exist", id)
		}
		return &ec2types.DescribeKeyPairsResult{KeyPairs: []ec2types.KeyPairInfo{}}, nil
	}, nil
}

var volumePaging = paging{
	operation: "DescribeVolumes", min: 5, max: 1000,
	withIDs: "The parameter volumeIds cannot be used with the parameter maxResults",
}

func (s *Service) describeVolumes(c *awsapi.Call, in *ec2types.DescribeVolumesRequest) (func(context.Context) (*ec2types.DescribeVolumesResult, error), error) {
	for _, id := range in.VolumeIds {
		if err := secgroup.CheckID(secgroup.VolumePrefix, id, "InvalidParameterValue"); err != nil {
			return nil, err
		}
	}
	if _, err := volumePaging.cursor(c.Scope(), in, len(in.VolumeIds) > 0); err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeVolumesResult, error) {
		for _, id := range in.VolumeIds {
			return nil, secgroup.Errorf("InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
		}
		return &ec2types.DescribeVolumesResult{Volumes: []ec2types.Volume{}}, nil
	}, nil
}

var creditPaging = paging{
	operation: "DescribeInstanceCreditSpecifications", min: 5, max: 1000,
	withIDs: "The parameter instancesSet cannot be used with the parameter maxResults",
}

func (s *Service) describeInstanceCreditSpecifications(c *awsapi.Call, in *ec2types.DescribeInstanceCreditSpecificationsRequest) (func(context.Context) (*ec2types.DescribeInstanceCreditSpecificationsResult, error), error) {
	if err := instanceIDs(in.InstanceIds); err != nil {
		return nil, err
	}
	if _, err := creditPaging.cursor(c.Scope(), in, len(in.InstanceIds) > 0); err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeInstanceCreditSpecificationsResult, error) {
		if len(in.InstanceIds) > 0 {
			if _, err := control.Instances(s.control.Read(), c.Scope(), in.InstanceIds...); err != nil {
				return nil, err
			}
		}
		return &ec2types.DescribeInstanceCreditSpecificationsResult{InstanceCreditSpecifications: []ec2types.InstanceCreditSpecification{}}, nil
	}, nil
}
