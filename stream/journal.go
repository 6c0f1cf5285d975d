// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"github.com/hedgeward/hedgeward/feed"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// The journal keeps on disk what a host was told: first everything, then the
// deltas since, each in records as they come on a stream.
//
//	magic   16 bytes
//	record  length of the payload (4 bytes, big endian)
//	        SHA-256 of the previous record's sum and the payload
//	        payload: a Head in the first record, then Deltas
//
// A record whose end is missing was being written when the machine stopped and was
// never acknowledged: it is cut off. Anything else that does not check makes the
// file corrupt. A state that cannot be kept is removed rather than left behind what
// the kernel enforces: an agent that starts without one leaves the kernel alone.
const (
	journalMagic = "hedgeward feed 1"
	recordHead   = 4 + sha256.Size
	maxRecord    = 16 << 20 // bytes of a payload
	maxJournal   = 1 << 30  // bytes of a file; a host is told less
	slack        = 1 << 20  // bytes of deltas before a file is written anew, at least
)

// errCorrupt reports that a journal is not what was written.
var errCorrupt = errors.New("corrupt")

// journal is the open file. It has one owner. A journal without a path keeps
// nothing.
type journal struct {
	path  string
	host  string
	file  *os.File // nil until there is something to keep
	names *namer
	sum   [sha256.Size]byte // of the last record
	base  int64             // bytes when it was last written anew
	size  int64             // bytes now; 0: there is no file
}

// load reads what a journal holds, nothing if there is none. It returns an error
// that is errCorrupt if the file cannot be believed; that file has been moved
// aside then.
func (j *journal) load() (held *feed.State, epoch string, err error) {
	if j.path == "" {
		return &feed.State{}, "", nil
	}
	left, _ := filepath.Glob(j.path + ".new-*") // of an agent that was killed; the pattern is ours
	for _, name := range left {
		os.Remove(name)
	}
	info, err := os.Stat(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &feed.State{}, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the kept state: %w", err)
	}
	j.size = info.Size()
	held, epoch, err = j.read(j.size)
	if errors.Is(err, errCorrupt) {
		aside := j.path + ".corrupt"
		j.size = 0
		err = errors.Join(fmt.Errorf("kept state %s is %w; it is now %s", j.path, err, aside), os.Rename(j.path, aside))
	}
	return held, epoch, err
}

func (j *journal) read(size int64) (*feed.State, string, error) {
	if size > maxJournal {
		return nil, "", fmt.Errorf("%w: it has %d bytes", errCorrupt, size)
	}
	text, err := os.ReadFile(j.path)
	if err != nil {
		return nil, "", fmt.Errorf("read the kept state: %w", err)
	}
	head, records, err := parseJournal(text)
	if err != nil {
		return nil, "", err
	}
	if head.GetHost() != j.host {
		return nil, "", fmt.Errorf("kept state %s is that of host %q, this is %q: remove the file if that is meant", j.path, head.GetHost(), j.host)
	}
	held, c := &feed.State{}, &decoder{}
	for i, r := range records {
		d, whole, err := c.add(r)
		if err != nil || len(whole) > 0 {
			return nil, "", fmt.Errorf("%w: record %d: %v", errCorrupt, i+1, err)
		}
		if d != nil {
			held.Merge(d)
		}
	}
	if held.Revision == 0 {
		return nil, "", fmt.Errorf("%w: it ends before it says anything", errCorrupt)
	}
	return held, head.GetEpoch(), nil
}

// parseJournal returns the records of a file, without one that was cut off.
func parseJournal(text []byte) (*pb.Head, []*pb.Delta, error) {
	rest, ok := bytes.CutPrefix(text, []byte(journalMagic))
	if !ok {
		return nil, nil, fmt.Errorf("%w: it is no such file", errCorrupt)
	}
	var sum [sha256.Size]byte
	var head *pb.Head
	var records []*pb.Delta
	for len(rest) >= recordHead {
		size := int64(binary.BigEndian.Uint32(rest))
		if size > maxRecord {
			return nil, nil, fmt.Errorf("%w: a record of %d bytes", errCorrupt, size)
		}
		if int64(len(rest)) < recordHead+size {
			break
		}
		payload := rest[recordHead : recordHead+size]
		sum = chain(sum, payload)
		if !bytes.Equal(sum[:], rest[4:recordHead]) {
			return nil, nil, fmt.Errorf("%w: the sum of record %d is another", errCorrupt, len(records)+1)
		}
		rest = rest[recordHead+size:]
		if head == nil {
			head = &pb.Head{}
			if err := proto.Unmarshal(payload, head); err != nil {
				return nil, nil, fmt.Errorf("%w: %v", errCorrupt, err)
			}
			continue
		}
		d := &pb.Delta{}
		if err := proto.Unmarshal(payload, d); err != nil {
			return nil, nil, fmt.Errorf("%w: record %d: %v", errCorrupt, len(records)+1, err)
		}
		records = append(records, d)
	}
	if head == nil {
		return nil, nil, fmt.Errorf("%w: it has no head", errCorrupt)
	}
	return head, records, nil
}

func chain(sum [sha256.Size]byte, payload []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(sum[:])
	h.Write(payload)
	return [sha256.Size]byte(h.Sum(nil))
}

// add keeps a delta; held is the state with it. When it returns nil, a process
// that starts anew finds it; after sync a machine does.
func (j *journal) add(d *feed.Delta, held *feed.State, epoch string) error {
	if j.path == "" {
		return nil
	}
	if j.file == nil || j.size > 2*j.base+slack {
		return j.rewrite(held, epoch)
	}
	state := *d
	state.Origin = feed.Origin{} // of no interest once it is in force
	if err := j.append(j.file, &state); err != nil {
		return j.lose(err)
	}
	return nil
}

// sync waits until what was added is on disk.
func (j *journal) sync() error {
	if j.file == nil {
		return nil
	}
	if err := j.file.Sync(); err != nil {
		return j.lose(err)
	}
	return nil
}

// lose removes a state that could not be kept, and says so.
func (j *journal) lose(err error) error {
	j.drop()
	j.size = 0
	if gone := os.Remove(j.path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return fmt.Errorf("keep what is told in %s: %w; without a server this host would start with nothing", j.path, err)
}

// rewrite makes the file anew beside the old one and puts it in its place.
func (j *journal) rewrite(held *feed.State, epoch string) (err error) {
	defer func() {
		if err != nil {
			err = j.lose(err)
		}
	}()
	j.drop()
	f, err := os.CreateTemp(filepath.Dir(j.path), filepath.Base(j.path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if j.file != f {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if _, err := f.WriteString(journalMagic); err != nil {
		return err
	}
	j.names, j.sum, j.size = newNamer(), [sha256.Size]byte{}, int64(len(journalMagic))
	head, err := proto.Marshal(&pb.Head{Host: j.host, Epoch: epoch})
	if err != nil {
		return err
	}
	if err := j.record(f, head); err != nil {
		return err
	}
	if err := j.append(f, held.Delta()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), j.path); err != nil {
		return err
	}
	j.file, j.base = f, j.size
	return syncDir(filepath.Dir(j.path))
}

func (j *journal) append(w io.Writer, d *feed.Delta) error {
	for part := range encode(d, j.names, nil) {
		payload, err := proto.Marshal(part)
		if err != nil {
			return err
		}
		if err := j.record(w, payload); err != nil {
			return err
		}
	}
	return nil
}

func (j *journal) record(w io.Writer, payload []byte) error {
	j.sum = chain(j.sum, payload)
	text := make([]byte, 0, recordHead+len(payload))
	text = binary.BigEndian.AppendUint32(text, uint32(len(payload)))
	text = append(append(text, j.sum[:]...), payload...)
	if j.size += int64(len(text)); j.size > maxJournal || len(payload) > maxRecord {
		return fmt.Errorf("%s would have %d bytes", j.path, j.size)
	}
	_, err := w.Write(text)
	return err
}

// drop lets go of the file. The next add writes it anew.
func (j *journal) drop() {
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
