// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TemplateSpec is what CreateLaunchTemplate is asked for.
type TemplateSpec struct {
	Name        string
	Description string          // of version 1
	Data        json.RawMessage // of version 1
	Tags        secgroup.Tags
}

// CreateLaunchTemplate makes a template with its version 1
// (docs/spec/ec2-api.md section 7). What the data name need not exist: only a
// launch looks it up.
func (s *Service) CreateLaunchTemplate(ctx context.Context, caller Caller, spec TemplateSpec, token ClientToken) (made *secgroup.LaunchTemplate, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		ids, err := s.once(tx, caller.Scope, "CreateLaunchTemplate", token, func() ([]string, error) {
			if tx.LaunchTemplates.Has(model.ByName, model.TemplateNameValue(caller.Scope, spec.Name)) {
				return nil, secgroup.Errorf("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
			}
			if full(&tx.LaunchTemplates, caller.Scope, s.quotas(tx.Snapshot, caller.Scope).TemplatesPerRegion) {
				return nil, secgroup.Errorf("LaunchTemplateLimitExceeded", "The maximum number of launch templates has been reached.")
			}
			if err := s.checkTagCount(spec.Tags); err != nil {
				return nil, err
			}
			t := &secgroup.LaunchTemplate{
				Scope: caller.Scope, ID: newID(secgroup.LaunchTemplatePrefix), Name: spec.Name, CreatedBy: caller.ARN,
				Tags: spec.Tags, Created: s.now().UTC(), Default: 1,
			}
			s.putVersion(tx, t, caller, spec.Description, spec.Data)
			return []string{t.ID}, nil
		})
		if err != nil {
			return err
		}
		made, err = FindLaunchTemplate(tx.Snapshot, caller.Scope, TemplateRef{ID: ids[0]})
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// VersionSpec is what CreateLaunchTemplateVersion is asked for.
type VersionSpec struct {
	Template    TemplateRef
	Source      string // version to start from, as FindTemplateVersion takes it; "" for none
	Description string
	// Data returns the version's data from those of the source, nil for none.
	Data func(source json.RawMessage) (json.RawMessage, error)
}

// CreateLaunchTemplateVersion adds a version to a template, whose default stays.
// It returns the template as it then is and the version.
func (s *Service) CreateLaunchTemplateVersion(ctx context.Context, caller Caller, spec VersionSpec, token ClientToken) (t *secgroup.LaunchTemplate, made *secgroup.LaunchTemplateVersion, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		ids, err := s.once(tx, caller.Scope, "CreateLaunchTemplateVersion", token, func() ([]string, error) {
			t, err := FindLaunchTemplate(tx.Snapshot, caller.Scope, spec.Template)
			if err != nil {
				return nil, err
			}
			var source json.RawMessage
			if spec.Source != "" {
				from, err := FindTemplateVersion(tx.Snapshot, t, spec.Source)
				if err != nil {
					return nil, err
				}
				source = from.Data
			}
			data, err := spec.Data(source)
			if err != nil {
				return nil, err
			}
			if len(TemplateVersions(tx.Snapshot, t)) >= s.quotas(tx.Snapshot, caller.Scope).VersionsPerTemplate {
				return nil, secgroup.Errorf("LaunchTemplateVersionLimitExceeded",
					"The maximum number of versions of the launch template has been reached.")
			}
			return []string{t.ID, s.putVersion(tx, t, caller, spec.Description, data)}, nil
		})
		if err != nil {
			return err
		}
		if t, err = FindLaunchTemplate(tx.Snapshot, caller.Scope, TemplateRef{ID: ids[0]}); err != nil {
			return err
		}
		made, err = FindTemplateVersion(tx.Snapshot, t, ids[1])
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return t, made, nil
}

// putVersion adds a version to the template, puts both and returns the version's
// number. t may be in the model already.
func (s *Service) putVersion(tx *model.Tx, t *secgroup.LaunchTemplate, caller Caller, description string, data json.RawMessage) string {
	next := *t
	next.Last++
	next.Latest = next.Last
	tx.LaunchTemplates.Put(&next)
	tx.LaunchTemplateVersions.Put(&secgroup.LaunchTemplateVersion{
		Template: t.ID, Number: next.Last, Description: description, Data: data, CreatedBy: caller.ARN, Created: s.now().UTC(),
	})
	return formatVersion(next.Last)
}

// ModifyLaunchTemplate makes a version, given by its number, the default.
func (s *Service) ModifyLaunchTemplate(ctx context.Context, caller Caller, ref TemplateRef, version string, token ClientToken) (t *secgroup.LaunchTemplate, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		ids, err := s.once(tx, caller.Scope, "ModifyLaunchTemplate", token, func() ([]string, error) {
			t, err := FindLaunchTemplate(tx.Snapshot, caller.Scope, ref)
			if err != nil {
				return nil, err
			}
			v := numbered(tx.Snapshot, t, version)
			if v == nil {
				return nil, secgroup.Errorf("InvalidLaunchTemplateId.VersionNotFound",
					"The launch template version %s is not found for the specified launch template.", version)
			}
			if t.Default != v.Number {
				next := *t
				next.Default = v.Number
				tx.LaunchTemplates.Put(&next)
			}
			return []string{t.ID}, nil
		})
		if err != nil {
			return err
		}
		t, err = FindLaunchTemplate(tx.Snapshot, caller.Scope, TemplateRef{ID: ids[0]})
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// DeleteLaunchTemplate removes a template with all its versions and returns it
// as it was. Instances made from it stay.
func (s *Service) DeleteLaunchTemplate(ctx context.Context, caller Caller, ref TemplateRef) (t *secgroup.LaunchTemplate, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if t, err = FindLaunchTemplate(tx.Snapshot, caller.Scope, ref); err != nil {
			return err
		}
		for _, v := range TemplateVersions(tx.Snapshot, t) {
			tx.LaunchTemplateVersions.Delete(model.VersionID(v.Template, v.Number))
		}
		tx.LaunchTemplates.Delete(t.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// VersionDeletion is what became of one version that was to be deleted.
type VersionDeletion struct {
	Number int64
	// Missing and Default say why the version is still, or was never, there.
	Missing, Default bool
}

// DeleteLaunchTemplateVersions removes versions, given by their numbers: each of
// them or, for a reason of its own, not.
func (s *Service) DeleteLaunchTemplateVersions(ctx context.Context, caller Caller, ref TemplateRef, numbers []int64) (t *secgroup.LaunchTemplate, outcome []VersionDeletion, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		outcome = nil
		if t, err = FindLaunchTemplate(tx.Snapshot, caller.Scope, ref); err != nil {
			return err
		}
		for _, n := range numbers {
			d := VersionDeletion{Number: n, Default: n == t.Default, Missing: numbered(tx.Snapshot, t, formatVersion(n)) == nil}
			if !d.Default && !d.Missing {
				tx.LaunchTemplateVersions.Delete(model.VersionID(t.ID, n))
			}
			outcome = append(outcome, d)
		}
		next := *t
		next.Latest = 0
		for _, v := range TemplateVersions(tx.Snapshot, t) {
			next.Latest = max(next.Latest, v.Number)
		}
		if next.Latest != t.Latest {
			tx.LaunchTemplates.Put(&next)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return t, outcome, nil
}
