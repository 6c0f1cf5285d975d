// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// DirectoryChange is what CreateDirectoryConfig or UpdateDirectoryConfig is asked
// for. nil is absent.
type DirectoryChange struct {
	Units             []string
	Joiner, Password  *string // the service account
	Authority, Status *string // of logon by certificates
}

// directoryPurpose is of sealed passwords of service accounts.
const directoryPurpose = "directory "

// maxDirectories is how many directory configs an account has in a Region
// (docs/spec/appstream.md section 3.8).
const maxDirectories = 50

// changeDirectory brings what is asked for into d. The password is sealed at once.
func (s *Service) changeDirectory(d *secgroup.DirectoryConfig, c *DirectoryChange) {
	if c.Units != nil {
		d.Units = c.Units
	}
	set(&d.Joiner, c.Joiner)
	set(&d.Authority, c.Authority)
	set(&d.Status, c.Status)
	if c.Password != nil {
		d.Sealed = s.seal.Close(directoryPurpose+model.StreamingName(d.Scope, d.Name), []byte(*c.Password))
	}
}

// CreateDirectory makes a directory config (section 3.8).
//
// Errors: ResourceAlreadyExistsException, LimitExceededException.
func (s *Service) CreateDirectory(ctx context.Context, caller Caller, name string, c DirectoryChange) (made *secgroup.DirectoryConfig, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if tx.DirectoryConfigs.Get(model.StreamingName(caller.Scope, name)) != nil {
			return secgroup.Errorf(streamExists, "The directory config %s already exists.", name)
		}
		if full(&tx.DirectoryConfigs, caller.Scope, maxDirectories) {
			return secgroup.Errorf(streamLimit, "The maximum number of directory configs for account %s has been reached.", caller.Account)
		}
		made = &secgroup.DirectoryConfig{Scope: caller.Scope, Name: name, Created: s.now().UTC()}
		s.changeDirectory(made, &c)
		tx.DirectoryConfigs.Put(made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// UpdateDirectory changes a directory config, all that is asked for or nothing.
//
// Errors: ResourceNotFoundException.
func (s *Service) UpdateDirectory(ctx context.Context, caller Caller, name string, c DirectoryChange) (changed *secgroup.DirectoryConfig, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := directoryNamed(tx.Snapshot, caller.Scope, name)
		if err != nil {
			return err
		}
		d := *was
		s.changeDirectory(&d, &c)
		tx.DirectoryConfigs.Put(&d)
		changed = &d
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// DeleteDirectory deletes a directory config that no fleet or builder names.
//
// Errors: ResourceNotFoundException, ResourceInUseException.
func (s *Service) DeleteDirectory(ctx context.Context, caller Caller, name string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if _, err := directoryNamed(tx.Snapshot, caller.Scope, name); err != nil {
			return err
		}
		for f := range tx.Fleets.By(model.ByScope, model.ScopeValue(caller.Scope)) {
			if f.Options.Domain() == name {
				return secgroup.Errorf(streamInUse, "The directory config %s is used by fleet %s.", name, f.Name)
			}
		}
		for b := range tx.Builders.By(model.ByScope, model.ScopeValue(caller.Scope)) {
			if b.Options.Domain() == name {
				return secgroup.Errorf(streamInUse, "The directory config %s is used by %s %s.", name, builderNouns[b.Kind], b.Name)
			}
		}
		tx.DirectoryConfigs.Delete(model.StreamingName(caller.Scope, name))
		return nil
	})
}

// Directories returns the scope's directory configs of these names, or all for none.
//
// Errors: ResourceNotFoundException.
func Directories(snap *model.Snapshot, scope secgroup.Scope, names ...string) ([]*secgroup.DirectoryConfig, error) {
	return streamingRows(&snap.DirectoryConfigs, scope, names, func(name string) (*secgroup.DirectoryConfig, error) {
		return directoryNamed(snap, scope, name)
	})
}

func directoryNamed(snap *model.Snapshot, scope secgroup.Scope, name string) (*secgroup.DirectoryConfig, error) {
	if d := snap.DirectoryConfigs.Get(model.StreamingName(scope, name)); d != nil {
		return d, nil
	}
	return nil, secgroup.Errorf(streamNotFound, "The directory config %s for account %s does not exist.", name, scope.Account)
}

// checkDirectory refuses a domain that the account has no directory config of; nil
// is nothing to refuse.
func checkDirectory(snap *model.Snapshot, scope secgroup.Scope, d *secgroup.Directory) error {
	if d == nil {
		return nil
	}
	_, err := directoryNamed(snap, scope, d.Name)
	return err
}
