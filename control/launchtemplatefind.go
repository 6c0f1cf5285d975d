// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"strconv"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// LaunchTemplateType is the resource type of launch templates, as
// TagSpecification and ARNs spell it.
const LaunchTemplateType = "launch-template"

// TemplateRef names a launch template: exactly one field is set.
type TemplateRef struct {
	ID   string
	Name string
}

func unknownTemplate(id string) error {
	return secgroup.Errorf("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", id)
}

// FindLaunchTemplate returns the scope's template.
func FindLaunchTemplate(snap *model.Snapshot, scope secgroup.Scope, ref TemplateRef) (*secgroup.LaunchTemplate, error) {
	if ref.ID != "" {
		if t := snap.LaunchTemplates.Get(ref.ID); t != nil && t.Scope == scope {
			return t, nil
		}
		return nil, unknownTemplate(ref.ID)
	}
	for t := range snap.LaunchTemplates.By(model.ByName, model.TemplateNameValue(scope, ref.Name)) {
		return t, nil
	}
	return nil, secgroup.Errorf("InvalidLaunchTemplateName.NotFoundException",
		"The specified launch template, with template name %s, does not exist.", ref.Name)
}

// LaunchTemplates returns the scope's templates of these ids and names, each
// once, or all when there are neither.
func LaunchTemplates(snap *model.Snapshot, scope secgroup.Scope, ids, names []string) ([]*secgroup.LaunchTemplate, error) {
	if len(ids) == 0 && len(names) == 0 {
		return slices.Collect(snap.LaunchTemplates.By(model.ByScope, model.ScopeValue(scope))), nil
	}
	var refs []TemplateRef
	for _, id := range ids {
		refs = append(refs, TemplateRef{ID: id})
	}
	for _, name := range names {
		refs = append(refs, TemplateRef{Name: name})
	}
	var found []*secgroup.LaunchTemplate
	for _, ref := range refs {
		t, err := FindLaunchTemplate(snap, scope, ref)
		switch {
		case err != nil && ref.Name != "":
			return nil, secgroup.Errorf("InvalidLaunchTemplateName.NotFoundException",
				"At least one of the launch templates specified in the request does not exist.")
		case err != nil:
			return nil, err
		case !slices.Contains(found, t):
			found = append(found, t)
		}
	}
	return found, nil
}

// The versions that have a name.
const (
	LatestVersion  = "$Latest"
	DefaultVersion = "$Default"
)

// FindTemplateVersion returns a version by number or name; "" is the default.
func FindTemplateVersion(snap *model.Snapshot, t *secgroup.LaunchTemplate, version string) (*secgroup.LaunchTemplateVersion, error) {
	number := version
	switch version {
	case "", DefaultVersion:
		number = formatVersion(t.Default)
	case LatestVersion:
		number = formatVersion(t.Latest)
	}
	if v := numbered(snap, t, number); v != nil {
		return v, nil
	}
	return nil, secgroup.Errorf("InvalidLaunchTemplateId.VersionNotFound",
		"Could not find the specified version %s for the launch template with ID %s.", version, t.ID)
}

// TemplateVersions returns the versions of a template in no particular order.
func TemplateVersions(snap *model.Snapshot, t *secgroup.LaunchTemplate) []*secgroup.LaunchTemplateVersion {
	return slices.Collect(snap.LaunchTemplateVersions.By(model.ByTemplate, t.ID))
}

// numbered returns the version of that number, nil if there is none or the text
// is no number.
func numbered(snap *model.Snapshot, t *secgroup.LaunchTemplate, number string) *secgroup.LaunchTemplateVersion {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil
	}
	return snap.LaunchTemplateVersions.Get(model.VersionID(t.ID, n))
}

func formatVersion(n int64) string { return strconv.FormatInt(n, 10) }
