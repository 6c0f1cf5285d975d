// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"encoding/json"
	"time"
)

// LaunchTemplate is a named sequence of versions, each of which describes a
// launch (docs/spec/ec2-api.md section 7). Version numbers begin at 1 and are
// never given twice.
type LaunchTemplate struct {
	Scope
	ID        string    `json:"id"` // lt-…
	Name      string    `json:"name"`
	Default   int64     `json:"default"` // version that a launch without one takes; it always exists
	Latest    int64     `json:"latest"`  // highest version that exists
	Last      int64     `json:"last"`    // highest version that ever existed
	CreatedBy string    `json:"createdBy"`
	Tags      Tags      `json:"tags,omitempty"`
	Created   time.Time `json:"created"`
}

// LaunchTemplateVersion is one version of a launch template. It never changes.
type LaunchTemplateVersion struct {
	Template    string          `json:"template"` // lt-…
	Number      int64           `json:"number"`
	Description string          `json:"description,omitempty"`
	Data        json.RawMessage `json:"data"` // the members of a launch that it sets, in the words of the API; only the API's edge reads them
	CreatedBy   string          `json:"createdBy"`
	Created     time.Time       `json:"created"`
}

const (
	minTemplateName = 3
	maxTemplateName = 128
)

// CheckLaunchTemplateName checks the name of a new template.
func CheckLaunchTemplateName(name string) error {
	if !templateName(name) {
		return Errorf("InvalidLaunchTemplateName.MalformedException",
			"A launch template name must be between %d and %d characters, and may contain letters, numbers, and the following characters: - ( ) . / _.", minTemplateName, maxTemplateName)
	}
	return nil
}

func templateName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '(', c == ')', c == '.', c == '/', c == '_':
		default:
			return false
		}
	}
	return len(name) >= minTemplateName && len(name) <= maxTemplateName
}
