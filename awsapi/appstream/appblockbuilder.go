// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	types "github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (s *Service) createAppBlockBuilder(c *awsapi.Call, in *types.CreateAppBlockBuilderRequest) (func(context.Context) (*types.CreateAppBlockBuilderResult, error), error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	change := control.BuilderChange{
		InstanceType: in.InstanceType, Platform: in.Platform, VPC: parseVPC(in.VpcConfig), Internet: in.EnableDefaultInternetAccess,
		DisplayName: in.DisplayName, Description: in.Description, Role: in.IamRoleArn, NoIMDSv1: in.DisableIMDSV1,
		Endpoints: parseEndpoints(in.AccessEndpoints), Tags: tags,
	}
	return func(ctx context.Context) (*types.CreateAppBlockBuilderResult, error) {
		b, err := s.control.CreateBuilder(ctx, c.Behalf(), appBlockBuilder, *in.Name, change)
		if err != nil {
			return nil, err
		}
		return &types.CreateAppBlockBuilderResult{AppBlockBuilder: showAppBlockBuilder(b)}, nil
	}, nil
}

func (s *Service) updateAppBlockBuilder(c *awsapi.Call, in *types.UpdateAppBlockBuilderRequest) (func(context.Context) (*types.UpdateAppBlockBuilderResult, error), error) {
	change := control.BuilderChange{
		InstanceType: in.InstanceType, Platform: in.Platform, VPC: parseVPC(in.VpcConfig), Internet: in.EnableDefaultInternetAccess,
		DisplayName: in.DisplayName, Description: in.Description, Role: in.IamRoleArn, NoIMDSv1: in.DisableIMDSV1,
		Endpoints: parseEndpoints(in.AccessEndpoints), Delete: in.AttributesToDelete,
	}
	return func(ctx context.Context) (*types.UpdateAppBlockBuilderResult, error) {
		b, err := s.control.UpdateBuilder(ctx, c.Behalf(), appBlockBuilder, *in.Name, change)
		if err != nil {
			return nil, err
		}
		return &types.UpdateAppBlockBuilderResult{AppBlockBuilder: showAppBlockBuilder(b)}, nil
	}, nil
}

func (s *Service) startAppBlockBuilder(c *awsapi.Call, in *types.StartAppBlockBuilderRequest) (func(context.Context) (*types.StartAppBlockBuilderResult, error), error) {
	return func(ctx context.Context) (*types.StartAppBlockBuilderResult, error) {
		b, err := s.control.StartBuilder(ctx, c.Behalf(), appBlockBuilder, *in.Name)
		if err != nil {
			return nil, err
		}
		return &types.StartAppBlockBuilderResult{AppBlockBuilder: showAppBlockBuilder(b)}, nil
	}, nil
}

func (s *Service) stopAppBlockBuilder(c *awsapi.Call, in *types.StopAppBlockBuilderRequest) (func(context.Context) (*types.StopAppBlockBuilderResult, error), error) {
	return func(ctx context.Context) (*types.StopAppBlockBuilderResult, error) {
		b, err := s.control.StopBuilder(ctx, c.Behalf(), appBlockBuilder, *in.Name)
		if err != nil {
			return nil, err
		}
		return &types.StopAppBlockBuilderResult{AppBlockBuilder: showAppBlockBuilder(b)}, nil
	}, nil
}

func (s *Service) deleteAppBlockBuilder(c *awsapi.Call, in *types.DeleteAppBlockBuilderRequest) (func(context.Context) (*types.DeleteAppBlockBuilderResult, error), error) {
	return func(ctx context.Context) (*types.DeleteAppBlockBuilderResult, error) {
		_, err := s.control.DeleteBuilder(ctx, c.Behalf(), appBlockBuilder, *in.Name)
		return &types.DeleteAppBlockBuilderResult{}, err
	}, nil
}

func (s *Service) describeAppBlockBuilders(c *awsapi.Call, in *types.DescribeAppBlockBuildersRequest) (func(context.Context) (*types.DescribeAppBlockBuildersResult, error), error) {
	limit, err := pageLimit(in.MaxResults)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*types.DescribeAppBlockBuildersResult, error) {
		part, next, err := builderPage(s.control.Read(), c.Scope(), appBlockBuilder, in.Names, limit, in.NextToken)
		if err != nil {
			return nil, err
		}
		out := &types.DescribeAppBlockBuildersResult{NextToken: next, AppBlockBuilders: make([]types.AppBlockBuilder, len(part))}
		for i, b := range part {
			out.AppBlockBuilders[i] = *showAppBlockBuilder(b)
		}
		return out, nil
	}, nil
}

// showAppBlockBuilder returns an app block builder as results have it.
func showAppBlockBuilder(b *secgroup.Builder) *types.AppBlockBuilder {
	o := b.Options
	state := string(b.State)
	if b.State == secgroup.BuilderPending {
		state = "STARTING"
	}
	return &types.AppBlockBuilder{
		Arn: new(control.StreamingARN(b.Scope, string(b.Kind), b.Name)), Name: &b.Name, CreatedTime: &b.Created,
		InstanceType: &b.InstanceType, Platform: &b.Platform, State: &state, VpcConfig: showVPC(b.VPC),
		EnableDefaultInternetAccess: &b.Internet, DisplayName: o.DisplayName, Description: o.Description, IamRoleArn: optional(o.Role),
		DisableIMDSV1: o.NoIMDSv1, AccessEndpoints: showEndpoints(b.Endpoints), AppBlockBuilderErrors: showErrors(b.Errors),
	}
}
