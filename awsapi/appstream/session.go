// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"context"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	types "github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// sessionOperations are those of section 7 of docs/spec/appstream.md.
func (s *Service) sessionOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateStreamingURL", s.createStreamingURL),
		awsapi.RegionalOp(s.control, "CreateImageBuilderStreamingURL", s.createImageBuilderURL),
		awsapi.RegionalOp(s.control, "DescribeSessions", s.describeSessions),
		awsapi.RegionalOp(s.control, "ExpireSession", s.expireSession),
		awsapi.RegionalOp(s.control, "DrainSessionInstance", s.drainSessionInstance),
	}
}

func (s *Service) createStreamingURL(c *awsapi.Call, in *types.CreateStreamingURLRequest) (func(context.Context) (*types.CreateStreamingURLResult, error), error) {
	life, err := validity(in.Validity, time.Minute)
	if err == nil {
		err = matches(userPattern, "userId", *in.UserId)
	}
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*types.CreateStreamingURLResult, error) {
		u, err := s.control.CreateStreamingURL(ctx, c.Scope(), *in.StackName, *in.FleetName, *in.UserId, life)
		if err != nil {
			return nil, err
		}
		return &types.CreateStreamingURLResult{StreamingURL: &u.URL, Expires: &u.Expires}, nil
	}, nil
}

func (s *Service) createImageBuilderURL(c *awsapi.Call, in *types.CreateImageBuilderStreamingURLRequest) (func(context.Context) (*types.CreateImageBuilderStreamingURLResult, error), error) {
	life, err := validity(in.Validity, time.Hour)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*types.CreateImageBuilderStreamingURLResult, error) {
		u, err := s.control.CreateBuilderURL(ctx, c.Scope(), imageBuilder, *in.Name, life)
		if err != nil {
			return nil, err
		}
		return &types.CreateImageBuilderStreamingURLResult{StreamingURL: &u.URL, Expires: &u.Expires}, nil
	}, nil
}

// sessionsPage is the usual and the largest number of sessions in one answer.
const usualSessions, mostSessions = 20, 50

func (s *Service) describeSessions(c *awsapi.Call, in *types.DescribeSessionsRequest) (func(context.Context) (*types.DescribeSessionsResult, error), error) {
	limit := usualSessions
	if in.Limit != nil {
		if err := within("limit", in.Limit, 1, mostSessions); err != nil {
			return nil, err
		}
		limit = int(*in.Limit)
	}
	return func(context.Context) (*types.DescribeSessionsResult, error) {
		snap := s.control.Read()
		found, err := control.StreamingSessions(snap, c.Scope(), *in.StackName, *in.FleetName)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(v *secgroup.StreamingSession) bool {
			return in.UserId != nil && v.User != *in.UserId || in.InstanceId != nil && v.Instance != *in.InstanceId ||
				in.AuthenticationType != nil && *in.AuthenticationType != authenticatedByURL
		})
		part, next, err := page(found, func(v *secgroup.StreamingSession) string {
			return v.Started.Format("20060102150405.000000000") + v.ID
		}, limit, in.NextToken)
		if err != nil {
			return nil, err
		}
		out := &types.DescribeSessionsResult{NextToken: next, Sessions: make([]types.Session, len(part))}
		for i, v := range part {
			out.Sessions[i] = showSession(snap, v)
		}
		return out, nil
	}, nil
}

// authenticatedByURL is how all sessions here begin: by CreateStreamingURL.
const authenticatedByURL = "API"

// showSession returns a session as results have it.
func showSession(snap *model.Snapshot, v *secgroup.StreamingSession) types.Session {
	connection, draining := "NOT_CONNECTED", "NOT_APPLICABLE"
	if v.Connected {
		connection = "CONNECTED"
	}
	if f := snap.Fleets.Get(model.StreamingName(v.Scope, v.Fleet)); f != nil && f.Sessions > 1 {
		draining = "ACTIVE"
		if in := snap.Instances.Get(v.Instance); in != nil && in.Streaming.Draining {
			draining = "DRAINING"
		}
	}
	return types.Session{
		Id: &v.ID, UserId: &v.User, StackName: &v.Stack, FleetName: &v.Fleet, State: new(string(v.State)), ConnectionState: &connection,
		StartTime: &v.Started, MaxExpirationTime: &v.Expires, AuthenticationType: new(authenticatedByURL), InstanceId: &v.Instance,
		InstanceDrainStatus: &draining, NetworkAccessConfiguration: showAccess(control.CustomerInterface(snap, v.Instance)),
	}
}

func (s *Service) expireSession(c *awsapi.Call, in *types.ExpireSessionRequest) (func(context.Context) (*types.ExpireSessionResult, error), error) {
	return func(ctx context.Context) (*types.ExpireSessionResult, error) {
		return &types.ExpireSessionResult{}, s.control.ExpireSession(ctx, c.Behalf(), *in.SessionId)
	}, nil
}

func (s *Service) drainSessionInstance(c *awsapi.Call, in *types.DrainSessionInstanceRequest) (func(context.Context) (*types.DrainSessionInstanceResult, error), error) {
	return func(ctx context.Context) (*types.DrainSessionInstanceResult, error) {
		return &types.DrainSessionInstanceResult{}, s.control.DrainSessionInstance(ctx, c.Behalf(), *in.SessionId)
	}, nil
}
