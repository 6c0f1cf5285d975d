// SPDX-License-Identifier: Apache-2.0

package sts

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/sts/ststypes"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
)

// The limits of DurationSeconds.
const (
	shortest       = 900
	longestRole    = 43200
	longestSession = 129600
)

// maxExternalID is the longest ExternalId, in characters.
const maxExternalID = 1224

// invalid words the refusal of a parameter (docs/spec/ec2-api.md section 11.3).
func invalid(value, name, constraint string) error {
	return secgroup.Errorf("ValidationError", "1 validation error detected: Value %.100s at '%s' failed to satisfy constraint: %s", value, name, constraint)
}

func quoted(s string) string { return "'" + s + "'" }

// required refuses a parameter that is not there.
func required(value *string, name string) error {
	if value == nil || *value == "" {
		return invalid("null", name, "Member must not be null")
	}
	return nil
}

// matching refuses a parameter of another form.
func matching(value *string, name string, form *regexp.Regexp) error {
	if value != nil && !form.MatchString(*value) {
		return invalid(quoted(*value), name, "Member must satisfy regular expression pattern: "+form.String())
	}
	return nil
}

// within refuses a parameter that is too long.
func within(value *string, name string, most int) error {
	if value != nil && len(*value) > most {
		return invalid(quoted(*value), name, fmt.Sprintf("Member must have length less than or equal to %d", most))
	}
	return nil
}

// duration checks and converts DurationSeconds; 0 means that it was not given.
func duration(seconds *int32, longest int32) (time.Duration, error) {
	switch {
	case seconds == nil:
		return 0, nil
	case *seconds < shortest:
		return 0, invalid(quoted(strconv.Itoa(int(*seconds))), "durationSeconds", fmt.Sprintf("Member must have value greater than or equal to %d", shortest))
	case *seconds > longest:
		return 0, invalid(quoted(strconv.Itoa(int(*seconds))), "durationSeconds", fmt.Sprintf("Member must have value less than or equal to %d", longest))
	}
	return time.Duration(*seconds) * time.Second, nil
}

// notHere refuses what would be ignored otherwise.
func notHere(given bool, name string) error {
	if given {
		return secgroup.Errorf("ValidationError", "The parameter %s is not supported by this installation.", name)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) assumeRole(c *awsapi.Call, in *ststypes.AssumeRoleRequest) (func(context.Context) (*ststypes.AssumeRoleResponse, error), error) {
	life, badLife := duration(in.DurationSeconds, longestRole)
	err := first(
		required(in.RoleArn, "roleArn"), required(in.RoleSessionName, "roleSessionName"),
		matching(in.RoleSessionName, "roleSessionName", sessionName), matching(in.ExternalId, "externalId", externalID), within(in.ExternalId, "externalId", maxExternalID), badLife,
		notHere(in.SerialNumber != nil, "SerialNumber"), notHere(in.TokenCode != nil, "TokenCode"), notHere(in.SourceIdentity != nil, "SourceIdentity"),
		notHere(len(in.Tags) > 0, "Tags"), notHere(len(in.TransitiveTagKeys) > 0, "TransitiveTagKeys"), notHere(len(in.ProvidedContexts) > 0, "ProvidedContexts"),
	)
	if err != nil {
		return nil, err
	}
	a := control.Assumption{RoleARN: *in.RoleArn, Name: *in.RoleSessionName, Life: life, Context: c.Circumstances()}
	if in.Policy != nil {
		a.Policy = *in.Policy
	}
	if in.ExternalId != nil {
		a.ExternalID = *in.ExternalId
	}
	for _, d := range in.PolicyArns {
		if err := required(d.Arn, "policyArns"); err != nil {
			return nil, err
		}
		a.PolicyARNs = append(a.PolicyARNs, *d.Arn)
	}
	return func(context.Context) (*ststypes.AssumeRoleResponse, error) {
		made, err := s.control.AssumeRole(c.Actor(), a)
		if err != nil {
			return nil, err
		}
		out := &ststypes.AssumeRoleResponse{
			AssumedRoleUser: &ststypes.AssumedRoleUser{Arn: &made.ARN, AssumedRoleId: &made.ID},
			Credentials:     credentials(&made.Credentials),
		}
		if made.Packed > 0 {
			out.PackedPolicySize = new(int32(made.Packed))
		}
		return out, nil
	}, nil
}

func (s *Service) getSessionToken(c *awsapi.Call, in *ststypes.GetSessionTokenRequest) (func(context.Context) (*ststypes.GetSessionTokenResponse, error), error) {
	life, badLife := duration(in.DurationSeconds, longestSession)
	err := first(badLife, notHere(in.SerialNumber != nil, "SerialNumber"), notHere(in.TokenCode != nil, "TokenCode"))
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ststypes.GetSessionTokenResponse, error) {
		made, err := s.control.UserSession(c.Actor(), life)
		if err != nil {
			return nil, err
		}
		return &ststypes.GetSessionTokenResponse{Credentials: credentials(made)}, nil
	}, nil
}

func credentials(c *control.Credentials) *ststypes.Credentials {
	return &ststypes.Credentials{AccessKeyId: &c.AccessKey, SecretAccessKey: &c.Secret, SessionToken: &c.Token, Expiration: &c.Expires}
}
