// SPDX-License-Identifier: Apache-2.0

package appstream

import (
	"context"
	"regexp"

	"github.com/hedgeward/hedgeward/awsapi"
	types "github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/awsapi/json11"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// domainPattern is what a directory can be called: a name in the DNS.
var domainPattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]{0,62}(\.[a-zA-Z0-9][a-zA-Z0-9-]{0,62})*$`)

const longestDomain = 253 // characters of a name in the DNS

// hiddenPassword is shown in place of every password: the model requires one.
const hiddenPassword = "*****"

// directoryOperations are those of section 3.8 of docs/spec/appstream.md.
func (s *Service) directoryOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateDirectoryConfig", s.createDirectory),
		awsapi.RegionalOp(s.control, "UpdateDirectoryConfig", s.updateDirectory),
		awsapi.RegionalOp(s.control, "DeleteDirectoryConfig", s.deleteDirectory),
		awsapi.RegionalOp(s.control, "DescribeDirectoryConfigs", s.describeDirectories),
	}
}

// parseDirectoryChange returns what a directory config shall be. An empty list of
// units is none of them, an absent one leaves them as they are.
func parseDirectoryChange(units []string, account *types.ServiceAccountCredentials, certificates *types.CertificateBasedAuthProperties) control.DirectoryChange {
	change := control.DirectoryChange{Units: units}
	if account != nil {
		change.Joiner, change.Password = account.AccountName, account.AccountPassword
	}
	if certificates != nil {
		change.Authority, change.Status = certificates.CertificateAuthorityArn, certificates.Status
	}
	return change
}

func (s *Service) createDirectory(c *awsapi.Call, in *types.CreateDirectoryConfigRequest) (func(context.Context) (*types.CreateDirectoryConfigResult, error), error) {
	if err := matches(domainPattern, "directoryName", *in.DirectoryName); err != nil {
		return nil, err
	}
	if n := len(*in.DirectoryName); n > longestDomain {
		return nil, json11.Invalid("directoryName", *in.DirectoryName, "Member must have length less than or equal to "+text(int32(longestDomain)))
	}
	change := parseDirectoryChange(in.OrganizationalUnitDistinguishedNames, in.ServiceAccountCredentials, in.CertificateBasedAuthProperties)
	return func(ctx context.Context) (*types.CreateDirectoryConfigResult, error) {
		d, err := s.control.CreateDirectory(ctx, c.Behalf(), *in.DirectoryName, change)
		if err != nil {
			return nil, err
		}
		return &types.CreateDirectoryConfigResult{DirectoryConfig: new(showDirectoryConfig(d))}, nil
	}, nil
}

func (s *Service) updateDirectory(c *awsapi.Call, in *types.UpdateDirectoryConfigRequest) (func(context.Context) (*types.UpdateDirectoryConfigResult, error), error) {
	change := parseDirectoryChange(in.OrganizationalUnitDistinguishedNames, in.ServiceAccountCredentials, in.CertificateBasedAuthProperties)
	return func(ctx context.Context) (*types.UpdateDirectoryConfigResult, error) {
		d, err := s.control.UpdateDirectory(ctx, c.Behalf(), *in.DirectoryName, change)
		if err != nil {
			return nil, err
		}
		return &types.UpdateDirectoryConfigResult{DirectoryConfig: new(showDirectoryConfig(d))}, nil
	}, nil
}

func (s *Service) deleteDirectory(c *awsapi.Call, in *types.DeleteDirectoryConfigRequest) (func(context.Context) (*types.DeleteDirectoryConfigResult, error), error) {
	return func(ctx context.Context) (*types.DeleteDirectoryConfigResult, error) {
		return &types.DeleteDirectoryConfigResult{}, s.control.DeleteDirectory(ctx, c.Behalf(), *in.DirectoryName)
	}, nil
}

func (s *Service) describeDirectories(c *awsapi.Call, in *types.DescribeDirectoryConfigsRequest) (func(context.Context) (*types.DescribeDirectoryConfigsResult, error), error) {
	limit, err := pageLimit(in.MaxResults)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*types.DescribeDirectoryConfigsResult, error) {
		found, err := control.Directories(s.control.Read(), c.Scope(), in.DirectoryNames...)
		if err != nil {
			return nil, err
		}
		part, next, err := page(found, func(d *secgroup.DirectoryConfig) string { return d.Name }, limit, in.NextToken)
		if err != nil {
			return nil, err
		}
		shown := make([]types.DirectoryConfig, len(part))
		for i, d := range part {
			shown[i] = showDirectoryConfig(d)
		}
		return &types.DescribeDirectoryConfigsResult{DirectoryConfigs: shown, NextToken: next}, nil
	}, nil
}

// showDirectoryConfig returns a directory config as results have it, without the
// password.
func showDirectoryConfig(d *secgroup.DirectoryConfig) types.DirectoryConfig {
	out := types.DirectoryConfig{DirectoryName: &d.Name, OrganizationalUnitDistinguishedNames: d.Units, CreatedTime: &d.Created}
	if d.Joiner != "" {
		out.ServiceAccountCredentials = &types.ServiceAccountCredentials{AccountName: &d.Joiner, AccountPassword: new(hiddenPassword)}
	}
	if d.Authority != "" || d.Status != "" {
		out.CertificateBasedAuthProperties = &types.CertificateBasedAuthProperties{CertificateAuthorityArn: optional(d.Authority), Status: optional(d.Status)}
	}
	return out
}
