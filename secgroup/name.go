// SPDX-License-Identifier: Apache-2.0

package secgroup

import "strings"

const (
	maxText = 255 // characters of a name or description

	// textSet is the set as EC2's messages print it, two blanks before it included.
	textSet = "strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"

	punctuation = ". _-:/()#,@[]+=&;{}!$*"
)

// DefaultGroupName is the name of the group that is born with each VPC; nobody
// else can have it.
const DefaultGroupName = "default"

// CheckGroupName returns the name as it is stored: without trailing blanks
// (docs/spec/ec2-api.md section 2.7).
func CheckGroupName(name string) (string, error) {
	name = strings.TrimRight(name, " ")
	switch {
	case name == "":
		return "", Errorf("MissingParameter", "The request must contain the parameter groupName")
	case strings.HasPrefix(name, GroupPrefix+"-"):
		return "", Errorf("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name)
	case name == DefaultGroupName:
		return "", Errorf("InvalidParameterValue", "Cannot use reserved security group name: default")
	case !ascii(name):
		return "", Errorf("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.", name)
	case !plain(name):
		return "", Errorf("InvalidParameterValue", "Invalid security group name. Valid names are %s", textSet)
	}
	return name, nil
}

// CheckGroupDescription checks the description of a new group.
func CheckGroupDescription(description string) error {
	switch {
	case description == "":
		return Errorf("MissingParameter", "The request must contain the parameter groupDescription")
	case !ascii(description):
		return Errorf("InvalidParameterValue", "Value (%s) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.", description)
	case !plain(description):
		return Errorf("InvalidParameterValue", "Invalid security group description. Valid descriptions are %s", textSet)
	}
	return nil
}

// CheckRuleDescription checks the description of a rule, which may be empty.
func CheckRuleDescription(description string) error {
	if !plain(description) {
		return Errorf("InvalidParameterValue", "Invalid rule description. Valid descriptions are %s", textSet)
	}
	return nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// plain reports whether s is short enough and made of allowed characters only.
func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if digit := c >= '0' && c <= '9'; !letter && !digit && strings.IndexByte(punctuation, c) < 0 {
			return false
		}
	}
	return len(s) <= maxText
}
