// SPDX-License-Identifier: Apache-2.0

package model

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/store"
)

const (
	everything = "/hedgeward/"          // prefix of all keys of an installation
	partKey    = "/hedgeward/restoring" // while a store holds a part of what it shall hold

	backupFormat = "hedgeward backup"
	// restoreBatch is how many keys are written at once: less than any etcd takes.
	restoreBatch = 100
	// perSecond is more than any store commits in a second: revisions that begin at
	// the time of a restore, counted so, are above all that hosts have seen before.
	perSecond = 1_000_000
	// maxLine is the longest line of a backup, in bytes.
	maxLine = 64 << 20
)

// A backup is gzip of lines of JSON: a beginning, an entry per key in the order of
// the keys, an end. The end says how many entries there are and what all lines
// before it hash to.
type (
	beginning struct {
		Format string `json:"format"`
		Schema string `json:"schema"`
	}
	line struct {
		Key      string  `json:"k,omitempty"`
		Value    []byte  `json:"v,omitempty"`
		Revision int64   `json:"r,omitempty"`
		End      *ending `json:"end,omitempty"`
	}
	ending struct {
		Entries int    `json:"entries"`
		Hash    string `json:"sha256"`
		At      int64  `json:"at"` // revision of the store
	}
)

// Summary says what was backed up, restored or copied.
type Summary struct {
	Entries  int
	Revision int64 // of the store that it was taken from
}

// Backup writes everything that a store holds, as it was at one revision, while
// servers may go on. Secrets in it are sealed: without the key file it is worth
// little, and with it everything.
func Backup(ctx context.Context, s *store.Store, to io.Writer) (Summary, error) {
	packed := gzip.NewWriter(to)
	sum := sha256.New()
	write := func(v any) error {
		text, err := json.Marshal(v)
		if err == nil {
			_, err = io.MultiWriter(packed, sum).Write(append(text, '\n'))
		}
		return err
	}
	if err := write(beginning{Format: backupFormat, Schema: schemaVersion}); err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	var end ending
	at, err := s.Dump(ctx, everything, func(e store.Entry) error {
		if e.Key == partKey {
			return errPart
		}
		end.Entries++
		return write(line{Key: e.Key, Value: e.Value, Revision: e.Revision})
	})
	if err == nil && end.Entries == 0 {
		err = errors.New("the store is empty")
	}
	if err == nil {
		end.At, end.Hash = at, hex.EncodeToString(sum.Sum(nil))
		err = errors.Join(write(line{End: &end}), packed.Close())
	}
	if err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	return Summary{end.Entries, at}, nil
}

var (
	errPart     = errors.New("the store holds a part of what it shall: a restore was interrupted; repeat it")
	errNoBackup = errors.New("this is no backup of Hedgeward's")
	errDamaged  = errors.New("the backup is damaged or not whole")
)

// readBackup calls each for every entry of a backup; the error of a damaged one
// comes last, so a reader that must not be misled reads it to the end first.
func readBackup(from io.Reader, each func(store.Entry) error) (Summary, error) {
	packed, err := gzip.NewReader(from)
	if err != nil {
		return Summary{}, errNoBackup
	}
	lines := bufio.NewScanner(packed)
	lines.Buffer(nil, maxLine)
	var first beginning
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &first) != nil || first.Format != backupFormat {
		return Summary{}, errNoBackup
	}
	if newer(first.Schema) {
		return Summary{}, fmt.Errorf("the backup has schema %q, this version reads %q: use the version that made it", first.Schema, schemaVersion)
	}
	sum := sha256.New()
	n := 0
	for add(sum, lines.Bytes()); lines.Scan(); add(sum, lines.Bytes()) {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return Summary{}, errDamaged
		}
		if l.End != nil {
			if l.End.Entries != n || l.End.Hash != hex.EncodeToString(sum.Sum(nil)) || lines.Scan() || lines.Err() != nil {
				return Summary{}, errDamaged
			}
			return Summary{n, l.End.At}, nil
		}
		if !strings.HasPrefix(l.Key, everything) || l.Key == partKey {
			return Summary{}, errDamaged
		}
		n++
		if l.Value == nil {
			l.Value = []byte{} // as scopes have it: present and empty
		}
		if err := each(store.Entry{Key: l.Key, Value: l.Value, Revision: l.Revision}); err != nil {
			return Summary{}, err
		}
	}
	return Summary{}, errDamaged
}

func add(sum hash.Hash, text []byte) { sum.Write(append(text[:len(text):len(text)], '\n')) }

// newer reports whether a schema is of a later version than this one.
func newer(schema string) bool {
	theirs, err := strconv.Atoi(schema)
	ours, _ := strconv.Atoi(schemaVersion)
	return err != nil || theirs > ours
}

// Restore fills an empty store from a backup, which it reads twice: nothing is
// written before all of it is found whole. Revisions begin anew at now, above all
// that were seen since the backup. A restore that was interrupted is repeated.
//
// Errors: the backup is damaged, foreign or of a newer version; the store is not
// empty. In all these cases nothing is written.
func Restore(ctx context.Context, s *store.Store, from io.ReadSeeker, now time.Time) (Summary, error) {
	sum, err := CheckBackup(from)
	if err == nil {
		_, err = from.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = fill(ctx, s, max(now.Unix()*perSecond, sum.Revision+1), func(each func(store.Entry) error) error {
			_, err := readBackup(from, each)
			return err
		})
	}
	if err != nil {
		return Summary{}, fmt.Errorf("restore: %w", err)
	}
	return sum, nil
}

// Copy fills an empty store with what another one holds, which nobody may write
// meanwhile. The copy counts revisions on from there.
func Copy(ctx context.Context, from, to *store.Store) (Summary, error) {
	at, err := from.Revision(ctx)
	var sum Summary
	if err == nil {
		err = fill(ctx, to, at, func(each func(store.Entry) error) error {
			sum.Revision, err = from.Dump(ctx, everything, func(e store.Entry) error {
				sum.Entries++
				return each(e)
			})
			if err == nil && sum.Revision != at {
				return fmt.Errorf("the store moved from revision %d to %d meanwhile: stop who writes to it and repeat", at, sum.Revision)
			}
			return err
		})
	}
	if err != nil {
		return Summary{}, fmt.Errorf("copy the store: %w", err)
	}
	return sum, nil
}

// fill writes entries into an empty store and checks that it holds just them.
// Until that is done no server starts on it.
func fill(ctx context.Context, s *store.Store, base int64, entries func(each func(store.Entry) error) error) error {
	if err := makeEmpty(ctx, s); err != nil {
		return err
	}
	if _, err := s.Commit(ctx, []store.Guard{{Key: partKey}, {Key: schemaKey}}, []store.Write{{Key: partKey, Value: []byte("1")}, store.Base(base)}); err != nil {
		return err
	}
	var batch []store.Write
	want, n := sha256.New(), 0
	flush := func() error {
		_, err := s.Commit(ctx, nil, batch)
		batch = nil
		return err
	}
	err := entries(func(e store.Entry) error {
		if e.Key == partKey {
			return errPart
		}
		n++
		fmt.Fprintf(want, "%q %q\n", e.Key, e.Value)
		if batch = append(batch, store.Write{Key: e.Key, Value: append([]byte{}, e.Value...)}); len(batch) == restoreBatch {
			return flush()
		}
		return nil
	})
	if err == nil && len(batch) > 0 {
		err = flush()
	}
	if err != nil {
		return err
	}
	have := sha256.New()
	_, err = s.Dump(ctx, everything, func(e store.Entry) error {
		if e.Key != partKey {
			n--
			fmt.Fprintf(have, "%q %q\n", e.Key, e.Value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n != 0 || string(have.Sum(nil)) != string(want.Sum(nil)) {
		return errors.New("the store holds other entries than were written to it: does somebody else write?")
	}
	_, err = s.Commit(ctx, nil, []store.Write{{Key: partKey}})
	return err
}

// makeEmpty refuses a store that holds anything but a part of what an
// interrupted restore wrote, which it removes.
func makeEmpty(ctx context.Context, s *store.Store) error {
	n, part := 0, false
	if _, err := s.Dump(ctx, everything, func(e store.Entry) error {
		n++
		part = part || e.Key == partKey
		return nil
	}); err != nil {
		return err
	}
	switch {
	case n == 0:
		return nil
	case part:
		return s.Clear(ctx, everything)
	}
	return fmt.Errorf("the store is not empty: it holds %d keys under %s; choose another one", n, everything)
}

// CheckBackup reads a backup to its end and returns what is in it.
func CheckBackup(from io.Reader) (Summary, error) {
	return readBackup(from, func(store.Entry) error { return nil })
}
