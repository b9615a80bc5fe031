package envelope

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// sealed puts magic and checksum around a protobuf body.
func sealed(body []byte) []byte {
	sum := md5.Sum(body)
	return append(append([]byte(aggregateMagic), body...), sum[:]...)
}

func someAggregated() []Aggregated {
	return []Aggregated{
		{Data: []byte("one"), PartitionKey: []byte("a")},
		{Data: []byte("two"), PartitionKey: []byte("b"), HashKey: []byte("17")},
		{Data: []byte{}, PartitionKey: []byte("a"), HashKey: []byte("17")},
	}
}

func TestDeaggregateGivesBackWhatWasAggregated(t *testing.T) {
	got, err := Deaggregate(nil, AppendAggregate(nil, someAggregated()))
	if diff := cmp.Diff(someAggregated(), got); diff != "" || err != nil {
		t.Errorf("error %v, records (-want +got):\n%s", err, diff)
	}
}

// The bytes are written out by hand from the description of the format.
func TestDeaggregateBytesOfTheFormat(t *testing.T) {
	body, err := hex.DecodeString("" +
		"0a0161" + // partition_key_table: "a"
		"12023137" + // explicit_hash_key_table: "17"
		"1a070800" + "10001a0178" + // record: key 0, hash key 0, data "x"
		"")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Deaggregate(nil, sealed(body))
	want := []Aggregated{{Data: []byte("x"), PartitionKey: []byte("a"), HashKey: []byte("17")}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, records (-want +got):\n%s", err, diff)
	}
}

func TestDeaggregateRefusesCorruption(t *testing.T) {
	good := AppendAggregate(nil, someAggregated())
	record := func(fields ...byte) []byte {
		body := []byte("\x0a\x01a")
		body = protowire.AppendTag(body, aggregateRecords, protowire.BytesType)
		return protowire.AppendBytes(body, fields)
	}
	flipped := bytes.Clone(good)
	flipped[7] ^= 1
	for _, c := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"the magic alone", []byte(aggregateMagic), errAggregateShort},
		{"a flipped bit", flipped, errAggregateSum},
		{"cut", good[:len(good)-1], errAggregateSum},
		{"partition key index behind the table", sealed(record(0x08, 1, 0x1a, 1, 'x')), errAggregateIndex},
		{"hash key index without a table", sealed(record(0x08, 0, 0x10, 0, 0x1a, 1, 'x')), errAggregateIndex},
		{"largest index", sealed(record(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x1a, 1, 'x')), errAggregateIndex},
		{"record without data", sealed(record(0x08, 0)), errAggregateData},
		{"record without a key", sealed(record(0x1a, 1, 'x')), errAggregateData},
		{"data longer than the record", sealed(record(0x08, 0, 0x1a, 9, 'x')), nil},
		{"half a tag", sealed([]byte{0x80}), nil},
	} {
		got, err := Deaggregate(nil, c.payload)
		var located *Error
		if !errors.As(err, &located) || located.Layer != "kpl" || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v in layer kpl", c.name, err, c.want)
		}
		if len(got) != 0 {
			t.Errorf("%s: got %d records, want none", c.name, len(got))
		}
	}
}

func FuzzDeaggregate(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add([]byte("\x0a\x01a\x1a\x05\x08\x00\x1a\x01x"), true)
	f.Add([]byte("\x0a\x01a\x1a\x05\x08\x01\x1a\x01x"), true)
	f.Add([]byte("\x1a\x07\x08\x00\x10\x00\x1a\x01x\x0a\x01a\x12\x0217"), true)
	f.Add(AppendAggregate(nil, someAggregated()), false)
	f.Fuzz(func(t *testing.T, body []byte, seal bool) {
		defer hostiletest.Bound(t)()
		payload := body
		if seal {
			payload = sealed(body)
		}
		records, err := Deaggregate(nil, payload)
		if err != nil {
			if len(records) > 0 {
				t.Errorf("%d records beside error %v", len(records), err)
			}
			return
		}
		again, err := Deaggregate(nil, AppendAggregate(nil, records))
		if diff := cmp.Diff(records, again); diff != "" || err != nil {
			t.Errorf("error %v, round trip (-want +got):\n%s", err, diff)
		}
	})
}
