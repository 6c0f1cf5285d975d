// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/appstream"
	"github.com/hedgeward/hedgeward/awsapi/ec2"
	"github.com/hedgeward/hedgeward/awsapi/sts"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/metrics"
	"github.com/hedgeward/hedgeward/secgroup"
)

// answer makes what a new installation is born with and serves the API until ctx
// ends and calls under way are finished.
func (in *installation) answer(ctx context.Context, api net.Listener, counted *metrics.Metrics, ready func()) error {
	key, _, err := in.control.Bootstrap(ctx)
	if err != nil {
		return fmt.Errorf("make the first account: %w", err)
	}
	in.key = key
	if err := in.control.EnsureRegion(ctx, secgroup.Scope{Account: key.Account, Region: in.region}); err != nil {
		return fmt.Errorf("make the default VPC of %s: %w", in.region, err)
	}
	if err := in.st.writeProfile(key, in.profile, in.region); err != nil {
		return err
	}
	audit := in.st.audit(in.log)
	defer audit.Close()
	server, err := awsapi.New(awsapi.Config{
		Audit:       audit,
		Services:    []*awsapi.Service{ec2.New(in.control), sts.New(in.control), appstream.New(in.control)},
		Credentials: credentials{in.control},
		Fresh:       in.control.Fresh,
		Sessions:    in.control,
		Authorizer: awsapi.ByService{
			"ec2":       ec2.NewAuthorizer(in.control),
			"sts":       sts.Authorizer{},
			"appstream": appstream.NewAuthorizer(in.control),
		},
		Regions: func(name string) bool { _, served := in.control.Region(name); return served },
		Now:     time.Now,
		Log:     in.log,

		Called:   in.tracing.called(counted),
		Throttle: in.throttle,
		Window:   in.window,
	})
	if err != nil {
		return err
	}
	if in.host != nil {
		if err := in.host.awaitFirst(ctx, in.model.Snapshot().Revision); err != nil {
			return err
		}
	}
	in.health.offer()
	ready()
	if err := server.Serve(ctx, api); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// credentials finds access keys for the API server.
type credentials struct{ control *control.Service }

// Lookup implements awsapi.Credentials.
func (c credentials) Lookup(_ context.Context, id string) (string, awsapi.Caller, bool) {
	key := c.control.AccessKey(id)
	if key == nil || key.Disabled {
		return "", awsapi.Caller{}, false
	}
	return key.Secret, awsapi.Caller{Account: key.Account, User: key.User, UserID: key.UserID, ARN: key.ARN()}, true
}
