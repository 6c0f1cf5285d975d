// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	types "github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// stackOperations are those of section 6 of docs/spec/appstream.md.
func (s *Service) stackOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateStack", s.createStack),
		awsapi.RegionalOp(s.control, "UpdateStack", s.updateStack),
		awsapi.RegionalOp(s.control, "DeleteStack", s.deleteStack),
		awsapi.RegionalOp(s.control, "DescribeStacks", s.describeStacks),
		awsapi.RegionalOp(s.control, "AssociateFleet", s.associateFleet),
		awsapi.RegionalOp(s.control, "DisassociateFleet", s.disassociateFleet),
		awsapi.RegionalOp(s.control, "ListAssociatedFleets", s.listAssociatedFleets),
		awsapi.RegionalOp(s.control, "ListAssociatedStacks", s.listAssociatedStacks),
	}
}

// stackSettings are what a stack has and no packet depends on: kept as they were
// given, to be shown.
type stackSettings struct {
	DisplayName, Description, RedirectURL, FeedbackURL *string                    `json:",omitempty"`
	Connectors                                         []types.StorageConnector   `json:",omitempty"`
	UserSettings                                       []types.UserSetting        `json:",omitempty"`
	Application                                        *types.ApplicationSettings `json:",omitempty"`
	Hosts                                              []string                   `json:",omitempty"`
	Redirection                                        *types.ContentRedirection  `json:",omitempty"`
	Agent                                              *types.AgentAccessConfig   `json:",omitempty"`
	Experience                                         bool                       `json:",omitempty"` // the protocol was given
}

func readSettings(k *secgroup.Stack) (stackSettings, error) {
	var out stackSettings
	if len(k.Settings) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(k.Settings, &out); err != nil {
		return out, fmt.Errorf("read settings of stack %s: %w", k.Name, err)
	}
	return out, nil
}

func (t *stackSettings) write(k *secgroup.Stack) (err error) {
	if k.Settings, err = json.Marshal(t); err != nil {
		return fmt.Errorf("keep settings of stack %s: %w", k.Name, err)
	}
	return nil
}

func (s *Service) createStack(c *awsapi.Call, in *types.CreateStackRequest) (func(context.Context) (*types.CreateStackResult, error), error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	k := secgroup.Stack{Name: *in.Name, Endpoints: parseEndpoints(in.AccessEndpoints), Tags: tags}
	settings := stackSettings{
		DisplayName: in.DisplayName, Description: in.Description, RedirectURL: in.RedirectURL, FeedbackURL: in.FeedbackURL,
		Connectors: in.StorageConnectors, UserSettings: in.UserSettings, Application: in.ApplicationSettings, Hosts: in.EmbedHostDomains,
		Redirection: in.ContentRedirection, Agent: in.AgentAccessConfig,
	}
	if e := in.StreamingExperienceSettings; e != nil {
		k.Protocol, settings.Experience = deref(e.PreferredProtocol), true
	}
	if err := settings.write(&k); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*types.CreateStackResult, error) {
		made, err := s.control.CreateStack(ctx, c.Behalf(), k)
		if err != nil {
			return nil, err
		}
		shown, err := showStack(made)
		return &types.CreateStackResult{Stack: shown}, err
	}, nil
}

func (s *Service) updateStack(c *awsapi.Call, in *types.UpdateStackRequest) (func(context.Context) (*types.UpdateStackResult, error), error) {
	return func(ctx context.Context) (*types.UpdateStackResult, error) {
		k, err := s.control.UpdateStack(ctx, c.Behalf(), *in.Name, func(k *secgroup.Stack) error { return changeStack(k, in) })
		if err != nil {
			return nil, err
		}
		shown, err := showStack(k)
		return &types.UpdateStackResult{Stack: shown}, err
	}, nil
}

// changeStack takes away what is to be deleted and brings in what is given.
func changeStack(k *secgroup.Stack, in *types.UpdateStackRequest) error {
	t, err := readSettings(k)
	if err != nil {
		return err
	}
	deletes := func(attribute string, given bool, remove func()) {
		if !slices.Contains(in.AttributesToDelete, attribute) {
			return
		}
		if given {
			err = secgroup.Errorf("InvalidParameterCombinationException", "The attribute %s cannot be set and deleted in one request.", attribute)
		}
		remove()
	}
	deletes("STORAGE_CONNECTORS", in.StorageConnectors != nil, func() { t.Connectors = nil })
	for kind, attribute := range map[string]string{
		"HOMEFOLDERS": "STORAGE_CONNECTOR_HOMEFOLDERS", "GOOGLE_DRIVE": "STORAGE_CONNECTOR_GOOGLE_DRIVE", "ONE_DRIVE": "STORAGE_CONNECTOR_ONE_DRIVE",
	} {
		deletes(attribute, false, func() {
			t.Connectors = slices.DeleteFunc(t.Connectors, func(c types.StorageConnector) bool { return deref(c.ConnectorType) == kind })
		})
	}
	deletes("REDIRECT_URL", in.RedirectURL != nil, func() { t.RedirectURL = nil })
	deletes("FEEDBACK_URL", in.FeedbackURL != nil, func() { t.FeedbackURL = nil })
	deletes("USER_SETTINGS", in.UserSettings != nil, func() { t.UserSettings = nil })
	deletes("EMBED_HOST_DOMAINS", in.EmbedHostDomains != nil, func() { t.Hosts = nil })
	deletes("ACCESS_ENDPOINTS", in.AccessEndpoints != nil, func() { k.Endpoints = nil })
	deletes("STREAMING_EXPERIENCE_SETTINGS", in.StreamingExperienceSettings != nil, func() { k.Protocol, t.Experience = "", false })
	deletes("CONTENT_REDIRECTION", in.ContentRedirection != nil, func() { t.Redirection = nil })
	deletes("AGENT_ACCESS_CONFIG", in.AgentAccessConfig != nil, func() { t.Agent = nil })
	if err != nil {
		return err
	}
	if deref(in.DeleteStorageConnectors) {
		t.Connectors = nil
	}
	t.DisplayName, t.Description = cmp.Or(in.DisplayName, t.DisplayName), cmp.Or(in.Description, t.Description)
	t.RedirectURL, t.FeedbackURL = cmp.Or(in.RedirectURL, t.RedirectURL), cmp.Or(in.FeedbackURL, t.FeedbackURL)
	t.Application, t.Redirection = cmp.Or(in.ApplicationSettings, t.Application), cmp.Or(in.ContentRedirection, t.Redirection)
	if in.StorageConnectors != nil {
		t.Connectors = in.StorageConnectors
	}
	if in.UserSettings != nil {
		t.UserSettings = in.UserSettings
	}
	if in.EmbedHostDomains != nil {
		t.Hosts = in.EmbedHostDomains
	}
	if in.AccessEndpoints != nil {
		k.Endpoints = parseEndpoints(in.AccessEndpoints)
	}
	if e := in.StreamingExperienceSettings; e != nil {
		k.Protocol, t.Experience = deref(e.PreferredProtocol), true
	}
	if a := in.AgentAccessConfig; a != nil {
		was := deref(t.Agent)
		t.Agent = &types.AgentAccessConfig{
			S3BucketArn: cmp.Or(a.S3BucketArn, was.S3BucketArn), ScreenImageFormat: cmp.Or(a.ScreenImageFormat, was.ScreenImageFormat),
			ScreenResolution:         cmp.Or(a.ScreenResolution, was.ScreenResolution),
			ScreenshotsUploadEnabled: cmp.Or(a.ScreenshotsUploadEnabled, was.ScreenshotsUploadEnabled), Settings: was.Settings,
		}
		if a.Settings != nil {
			t.Agent.Settings = a.Settings
		}
	}
	return t.write(k)
}

func (s *Service) deleteStack(c *awsapi.Call, in *types.DeleteStackRequest) (func(context.Context) (*types.DeleteStackResult, error), error) {
	return func(ctx context.Context) (*types.DeleteStackResult, error) {
		return &types.DeleteStackResult{}, s.control.DeleteStack(ctx, c.Behalf(), *in.Name)
	}, nil
}

func (s *Service) describeStacks(c *awsapi.Call, in *types.DescribeStacksRequest) (func(context.Context) (*types.DescribeStacksResult, error), error) {
	return func(context.Context) (*types.DescribeStacksResult, error) {
		found, err := control.Stacks(s.control.Read(), c.Scope(), in.Names...)
		if err != nil {
			return nil, err
		}
		part, next, err := page(found, func(k *secgroup.Stack) string { return k.Name }, pageSize, in.NextToken)
		if err != nil {
			return nil, err
		}
		out := &types.DescribeStacksResult{NextToken: next, Stacks: make([]types.Stack, len(part))}
		for i, k := range part {
			shown, err := showStack(k)
			if err != nil {
				return nil, err
			}
			out.Stacks[i] = *shown
		}
		return out, nil
	}, nil
}

// usualUserSettings are what a stack has that chose none.
var usualUserSettings = func() (all []types.UserSetting) {
	for _, action := range []string{
		"CLIPBOARD_COPY_FROM_LOCAL_DEVICE", "CLIPBOARD_COPY_TO_LOCAL_DEVICE", "FILE_UPLOAD", "FILE_DOWNLOAD", "PRINTING_TO_LOCAL_DEVICE",
	} {
		all = append(all, types.UserSetting{Action: new(action), Permission: new("ENABLED")})
	}
	return all
}()

// showStack returns a stack as results have it.
func showStack(k *secgroup.Stack) (*types.Stack, error) {
	t, err := readSettings(k)
	if err != nil {
		return nil, err
	}
	out := &types.Stack{
		Arn: new(control.StreamingARN(k.Scope, control.StackKind, k.Name)), Name: &k.Name, CreatedTime: &k.Created,
		DisplayName: t.DisplayName, Description: t.Description, RedirectURL: t.RedirectURL, FeedbackURL: t.FeedbackURL,
		StorageConnectors: t.Connectors, UserSettings: t.UserSettings, EmbedHostDomains: t.Hosts, ContentRedirection: t.Redirection,
		AgentAccessConfig: t.Agent, AccessEndpoints: showEndpoints(k.Endpoints),
		ApplicationSettings: &types.ApplicationSettingsResponse{Enabled: new(false)},
	}
	if a := t.Application; a != nil {
		out.ApplicationSettings = &types.ApplicationSettingsResponse{Enabled: a.Enabled, SettingsGroup: a.SettingsGroup}
	}
	if out.UserSettings == nil {
		out.UserSettings = usualUserSettings
	}
	if t.Experience {
		out.StreamingExperienceSettings = &types.StreamingExperienceSettings{PreferredProtocol: optional(k.Protocol)}
	}
	return out, nil
}

func (s *Service) associateFleet(c *awsapi.Call, in *types.AssociateFleetRequest) (func(context.Context) (*types.AssociateFleetResult, error), error) {
	return func(ctx context.Context) (*types.AssociateFleetResult, error) {
		return &types.AssociateFleetResult{}, s.control.AssociateFleet(ctx, c.Behalf(), *in.FleetName, *in.StackName)
	}, nil
}

func (s *Service) disassociateFleet(c *awsapi.Call, in *types.DisassociateFleetRequest) (func(context.Context) (*types.DisassociateFleetResult, error), error) {
	return func(ctx context.Context) (*types.DisassociateFleetResult, error) {
		return &types.DisassociateFleetResult{}, s.control.DisassociateFleet(ctx, c.Behalf(), *in.FleetName, *in.StackName)
	}, nil
}

func (s *Service) listAssociatedFleets(c *awsapi.Call, in *types.ListAssociatedFleetsRequest) (func(context.Context) (*types.ListAssociatedFleetsResult, error), error) {
	return func(context.Context) (*types.ListAssociatedFleetsResult, error) {
		names := []string{} // the model has no error for a stack that is not there
		if found, err := control.Stacks(s.control.Read(), c.Scope(), *in.StackName); err == nil && found[0].Fleet != "" {
			names = append(names, found[0].Fleet)
		}
		return &types.ListAssociatedFleetsResult{Names: names}, nil
	}, nil
}

func (s *Service) listAssociatedStacks(c *awsapi.Call, in *types.ListAssociatedStacksRequest) (func(context.Context) (*types.ListAssociatedStacksResult, error), error) {
	return func(context.Context) (*types.ListAssociatedStacksResult, error) {
		names := control.AssociatedStacks(s.control.Read(), c.Scope(), *in.FleetName)
		part, next, err := page(names, func(n string) string { return n }, pageSize, in.NextToken)
		return &types.ListAssociatedStacksResult{Names: append([]string{}, part...), NextToken: next}, err
	}, nil
}
