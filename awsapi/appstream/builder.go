// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"context"
	"net/netip"

	"github.com/hedgeward/hedgeward/awsapi"
	types "github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	imageBuilder    = secgroup.ImageBuilderKind
	appBlockBuilder = secgroup.AppBlockBuilderKind
)

// builderOperations are those of sections 4 and 5 of docs/spec/appstream.md.
func (s *Service) builderOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateImageBuilder", s.createImageBuilder),
		awsapi.RegionalOp(s.control, "StartImageBuilder", s.startImageBuilder),
		awsapi.RegionalOp(s.control, "StopImageBuilder", s.stopImageBuilder),
		awsapi.RegionalOp(s.control, "DeleteImageBuilder", s.deleteImageBuilder),
		awsapi.RegionalOp(s.control, "DescribeImageBuilders", s.describeImageBuilders),
		awsapi.RegionalOp(s.control, "CreateAppBlockBuilder", s.createAppBlockBuilder),
		awsapi.RegionalOp(s.control, "UpdateAppBlockBuilder", s.updateAppBlockBuilder),
		awsapi.RegionalOp(s.control, "StartAppBlockBuilder", s.startAppBlockBuilder),
		awsapi.RegionalOp(s.control, "StopAppBlockBuilder", s.stopAppBlockBuilder),
		awsapi.RegionalOp(s.control, "DeleteAppBlockBuilder", s.deleteAppBlockBuilder),
		awsapi.RegionalOp(s.control, "DescribeAppBlockBuilders", s.describeAppBlockBuilders),
	}
}

func (s *Service) createImageBuilder(c *awsapi.Call, in *types.CreateImageBuilderRequest) (func(context.Context) (*types.CreateImageBuilderResult, error), error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	volume, err := parseVolume(in.RootVolumeConfig)
	if err != nil {
		return nil, err
	}
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	change := control.BuilderChange{
		InstanceType: in.InstanceType, ImageName: in.ImageName, ImageARN: in.ImageArn, VPC: parseVPC(in.VpcConfig),
		Internet: in.EnableDefaultInternetAccess, DisplayName: in.DisplayName, Description: in.Description, Role: in.IamRoleArn,
		Directory: parseDirectory(in.DomainJoinInfo), VolumeGB: volume, NoIMDSv1: in.DisableIMDSV1,
		Endpoints: parseEndpoints(in.AccessEndpoints), Tags: tags,
	}
	return func(ctx context.Context) (*types.CreateImageBuilderResult, error) {
		b, err := s.control.CreateBuilder(ctx, c.Behalf(), imageBuilder, *in.Name, change)
		if err != nil {
			return nil, err
		}
		return &types.CreateImageBuilderResult{ImageBuilder: showImageBuilder(s.control.Read(), b)}, nil
	}, nil
}

func (s *Service) startImageBuilder(c *awsapi.Call, in *types.StartImageBuilderRequest) (func(context.Context) (*types.StartImageBuilderResult, error), error) {
	return func(ctx context.Context) (*types.StartImageBuilderResult, error) {
		b, err := s.control.StartBuilder(ctx, c.Behalf(), imageBuilder, *in.Name)
		if err != nil {
			return nil, err
		}
		return &types.StartImageBuilderResult{ImageBuilder: showImageBuilder(s.control.Read(), b)}, nil
	}, nil
}

func (s *Service) stopImageBuilder(c *awsapi.Call, in *types.StopImageBuilderRequest) (func(context.Context) (*types.StopImageBuilderResult, error), error) {
	return func(ctx context.Context) (*types.StopImageBuilderResult, error) {
		b, err := s.control.StopBuilder(ctx, c.Behalf(), imageBuilder, *in.Name)
		if err != nil {
			return nil, err
		}
		return &types.StopImageBuilderResult{ImageBuilder: showImageBuilder(s.control.Read(), b)}, nil
	}, nil
}

func (s *Service) deleteImageBuilder(c *awsapi.Call, in *types.DeleteImageBuilderRequest) (func(context.Context) (*types.DeleteImageBuilderResult, error), error) {
	return func(ctx context.Context) (*types.DeleteImageBuilderResult, error) {
		b, err := s.control.DeleteBuilder(ctx, c.Behalf(), imageBuilder, *in.Name)
		if err != nil {
			return nil, err
		}
		return &types.DeleteImageBuilderResult{ImageBuilder: showImageBuilder(s.control.Read(), b)}, nil
	}, nil
}

func (s *Service) describeImageBuilders(c *awsapi.Call, in *types.DescribeImageBuildersRequest) (func(context.Context) (*types.DescribeImageBuildersResult, error), error) {
	limit, err := pageLimit(in.MaxResults)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*types.DescribeImageBuildersResult, error) {
		snap := s.control.Read()
		part, next, err := builderPage(snap, c.Scope(), imageBuilder, in.Names, limit, in.NextToken)
		if err != nil {
			return nil, err
		}
		out := &types.DescribeImageBuildersResult{NextToken: next, ImageBuilders: make([]types.ImageBuilder, len(part))}
		for i, b := range part {
			out.ImageBuilders[i] = *showImageBuilder(snap, b)
		}
		return out, nil
	}, nil
}

// pageLimit returns how many items one answer may have.
func pageLimit(in *int32) (int, error) {
	if err := within("maxResults", in, 1, pageSize); err != nil || in == nil {
		return pageSize, err
	}
	return int(*in), nil
}

func builderPage(snap *model.Snapshot, scope secgroup.Scope, kind secgroup.StreamingKind, names []string, limit int, token *string) ([]*secgroup.Builder, *string, error) {
	found, err := control.Builders(snap, scope, kind, names...)
	if err != nil {
		return nil, nil, err
	}
	return page(found, func(b *secgroup.Builder) string { return b.Name }, limit, token)
}

// showImageBuilder returns an image builder as results have it.
func showImageBuilder(snap *model.Snapshot, b *secgroup.Builder) *types.ImageBuilder {
	o := b.Options
	out := &types.ImageBuilder{
		Arn: new(control.StreamingARN(b.Scope, string(b.Kind), b.Name)), Name: &b.Name, CreatedTime: &b.Created,
		InstanceType: &b.InstanceType, Platform: optional(b.Platform), State: new(string(b.State)), VpcConfig: showVPC(b.VPC),
		ImageArn: new((&control.StreamingImage{Name: b.Image}).ARN(b.Region)), EnableDefaultInternetAccess: &b.Internet,
		DisplayName: o.DisplayName, Description: o.Description, IamRoleArn: optional(o.Role), DomainJoinInfo: showDirectory(o.Directory),
		DisableIMDSV1: o.NoIMDSv1, RootVolumeConfig: showVolume(o.VolumeGB), AccessEndpoints: showEndpoints(b.Endpoints),
		AppstreamAgentVersion: new(agentVersion), ImageBuilderErrors: showErrors(b.Errors),
	}
	if b.State == secgroup.BuilderFailed && len(b.Errors) > 0 {
		out.StateChangeReason = &types.ImageBuilderStateChangeReason{Code: new("INTERNAL_ERROR"), Message: &b.Errors[0].Message}
	}
	if in := control.BuilderInstance(snap, b); in != nil {
		out.NetworkAccessConfiguration = showAccess(control.CustomerInterface(snap, in.ID))
	}
	return out
}

// agentVersion is that of every image: there is one.
const agentVersion = "1.0"

// showAccess returns the customer interface of an instance, nil for none.
func showAccess(i *secgroup.Interface) *types.NetworkAccessConfiguration {
	if i == nil {
		return nil
	}
	out := &types.NetworkAccessConfiguration{EniId: &i.ID, EniIpv6Addresses: each(i.IPv6, netip.Addr.String)}
	if len(i.Addresses) > 0 {
		out.EniPrivateIpAddress = new(i.Addresses[0].String())
	}
	return out
}

func showErrors(errors []secgroup.StreamingError) []types.ResourceError {
	return each(errors, func(e secgroup.StreamingError) types.ResourceError {
		return types.ResourceError{ErrorCode: &e.Code, ErrorMessage: &e.Message, ErrorTimestamp: &e.At}
	})
}
