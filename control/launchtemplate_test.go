// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/json"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

func mustTemplate(t *testing.T, s *Service, name string) *secgroup.LaunchTemplate {
	t.Helper()
	made, err := s.CreateLaunchTemplate(t.Context(), alice, TemplateSpec{Name: name, Data: json.RawMessage(`{"a":1}`)}, ClientToken{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestTemplatesAreTheirOwners shows that names and ids mean nothing in another
// account or Region.
func TestTemplatesAreTheirOwners(t *testing.T) {
	s := newService(t)
	made := mustTemplate(t, s, "web")
	for _, other := range []Caller{
		{Scope: secgroup.Scope{Account: "444455556666", Region: alice.Region}},
		{Scope: secgroup.Scope{Account: alice.Account, Region: "eu-west-1"}},
	} {
		if _, err := FindLaunchTemplate(s.Read(), other.Scope, TemplateRef{Name: "web"}); err == nil {
			t.Errorf("%v finds the name", other.Scope)
		}
		_, err := s.DeleteLaunchTemplate(t.Context(), other, TemplateRef{ID: made.ID})
		refused(t, err, unknownTemplate(made.ID).Error())
		if _, err := s.CreateLaunchTemplate(t.Context(), other, TemplateSpec{Name: "web", Data: json.RawMessage(`{}`)}, ClientToken{}); err != nil {
			t.Errorf("%v cannot use the name: %v", other.Scope, err)
		}
	}
	if found, err := FindLaunchTemplate(s.Read(), alice.Scope, TemplateRef{Name: "web"}); err != nil || found.ID != made.ID {
		t.Errorf("found %v, %v", found, err)
	}
}

// TestVersionFromSource shows what a version is made of, and that a refusal of
// the data leaves nothing.
func TestVersionFromSource(t *testing.T) {
	s := newService(t)
	made := mustTemplate(t, s, "web")
	spec := VersionSpec{
		Template: TemplateRef{ID: made.ID}, Source: LatestVersion,
		Data: func(source json.RawMessage) (json.RawMessage, error) { return json.Marshal([]json.RawMessage{source}) },
	}
	after, v, err := s.CreateLaunchTemplateVersion(t.Context(), alice, spec, ClientToken{})
	if err != nil || v.Number != 2 || string(v.Data) != `[{"a":1}]` || after.Default != 1 || after.Latest != 2 {
		t.Errorf("version %+v of %+v, %v", v, after, err)
	}
	spec.Source = "3"
	_, _, err = s.CreateLaunchTemplateVersion(t.Context(), alice, spec, ClientToken{})
	refused(t, err, "InvalidLaunchTemplateId.VersionNotFound: Could not find the specified version 3 for the launch template with ID "+made.ID+".")
	spec.Source = ""
	spec.Data = func(source json.RawMessage) (json.RawMessage, error) {
		if source != nil {
			t.Errorf("no source, but data %s", source)
		}
		return nil, errMany
	}
	_, _, err = s.CreateLaunchTemplateVersion(t.Context(), alice, spec, ClientToken{})
	refused(t, err, errMany.Error())
	if n := len(TemplateVersions(s.Read(), made)); n != 2 {
		t.Errorf("%d versions, want 2", n)
	}
}

// TestTemplatesPersist shows that a server that starts on the store again has
// them.
func TestTemplatesPersist(t *testing.T) {
	s := newService(t)
	made := mustTemplate(t, s, "web")
	again, err := model.Open(t.Context(), s.store, s.log)
	if err != nil {
		t.Fatal(err)
	}
	found, err := FindLaunchTemplate(again.Snapshot(), alice.Scope, TemplateRef{Name: "web"})
	if err != nil || found.ID != made.ID {
		t.Fatalf("found %v, %v", found, err)
	}
	if v, err := FindTemplateVersion(again.Snapshot(), found, ""); err != nil || string(v.Data) != `{"a":1}` {
		t.Errorf("version %v, %v", v, err)
	}
}
