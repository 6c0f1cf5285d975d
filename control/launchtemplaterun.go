// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The tags of instances that a template made.
const (
	templateIDTag      = "aws:ec2launchtemplate:id"
	templateVersionTag = "aws:ec2launchtemplate:version"
)

// RunTemplate is RunInstances from a version of a launch template, "" for its
// default (docs/spec/ec2-api.md section 7). with turns the version into the
// launch; it may be called more than once, and never for a call that repeats
// another, whatever has become of the template since.
func (s *Service) RunTemplate(ctx context.Context, caller Caller, ref TemplateRef, version string, token ClientToken,
	with func(*secgroup.LaunchTemplateVersion) (Launch, error),
) ([]*secgroup.Instance, error) {
	return s.run(ctx, caller, token, func(snap *model.Snapshot) (Launch, error) {
		t, err := FindLaunchTemplate(snap, caller.Scope, ref)
		if err != nil {
			return Launch{}, err
		}
		v, err := FindTemplateVersion(snap, t, version)
		if err != nil {
			return Launch{}, err
		}
		l, err := with(v)
		if err != nil {
			return Launch{}, err
		}
		l.Tags = l.Tags.With(
			secgroup.Tag{Key: templateIDTag, Value: t.ID},
			secgroup.Tag{Key: templateVersionTag, Value: formatVersion(v.Number)},
		)
		return l, nil
	})
}
