package envelope

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the format's checksum, no protection
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// A KPL aggregate, as the Kinesis Producer Library writes it, is
//
//	f3 89 9a c2     magic
//	...             protobuf AggregatedRecord
//	16 bytes        MD5 of the protobuf
//
// The format: github.com/awslabs/amazon-kinesis-producer, aggregation-format.md.
const aggregateMagic = "\xf3\x89\x9a\xc2"

// Fields of the messages AggregatedRecord and Record.
const (
	aggregatePartitionKeys = 1
	aggregateHashKeys      = 2
	aggregateRecords       = 3

	recordPartitionKey = 1
	recordHashKey      = 2
	recordData         = 3
)

// maxAggregated bounds the records of one aggregate: more than 10 MiB of the
// smallest that carry a flow-log line.
const maxAggregated = 1 << 20

var (
	errAggregateShort = errors.New("aggregate breaks off")
	errAggregateSum   = errors.New("MD5 of the aggregate does not fit its content")
	errAggregateIndex = errors.New("record points behind the end of a key table")
	errAggregateData  = errors.New("record has no data or no partition key")
	errAggregateMany  = fmt.Errorf("aggregate has more than %d records", maxAggregated)
)

// Aggregated is one user record of an aggregate. Its bytes lie in the aggregate.
type Aggregated struct {
	Data         []byte
	PartitionKey []byte
	HashKey      []byte // explicit, in decimal digits; nil when there is none
}

// IsAggregate reports whether a payload claims to be a KPL aggregate. No other
// payload begins like one: the magic is neither text nor a compression.
func IsAggregate(payload []byte) bool {
	return len(payload) >= len(aggregateMagic) && string(payload[:len(aggregateMagic)]) == aggregateMagic
}

// Deaggregate appends the user records of an aggregate to records, in order. An
// aggregate that is corrupt anywhere gives none and an *Error: of one that can't
// be trusted, no record can.
func Deaggregate(records []Aggregated, payload []byte) ([]Aggregated, error) {
	body, err := aggregateBody(payload)
	if err != nil {
		return records, aggregateError(0, err)
	}
	d := deaggregation{records: records}
	for rest := body; len(rest) > 0; {
		n, err := d.field(rest)
		if err != nil {
			return records, aggregateError(len(aggregateMagic)+len(body)-len(rest), err)
		}
		rest = rest[n:]
	}
	// The tables may stand behind the records: indices are looked up at the end.
	for i := range d.indices {
		if err := d.resolve(len(records)+i, d.indices[i]); err != nil {
			return records, aggregateError(len(payload), err)
		}
	}
	return d.records, nil
}

func aggregateError(offset int, err error) *Error {
	return &Error{Layer: "kpl", Offset: offset, Count: 1, Err: err}
}

func aggregateBody(payload []byte) ([]byte, error) {
	if !IsAggregate(payload) || len(payload) < len(aggregateMagic)+md5.Size {
		return nil, errAggregateShort
	}
	body, sum := payload[len(aggregateMagic):len(payload)-md5.Size], payload[len(payload)-md5.Size:]
	if got := md5.Sum(body); !bytes.Equal(got[:], sum) { //nolint:gosec // see the import
		return nil, errAggregateSum
	}
	return body, nil
}

// deaggregation is one aggregate under way.
type deaggregation struct {
	partitionKeys, hashKeys [][]byte
	records                 []Aggregated
	indices                 []keyIndices
}

// keyIndices are where a record's keys stand in the tables.
type keyIndices struct {
	partitionKey, hashKey uint64
	hasHashKey            bool
}

// field takes one field of AggregatedRecord and returns its length. Fields that
// are not known are passed over, as protobuf asks.
func (d *deaggregation) field(src []byte) (int, error) {
	number, kind, n := protowire.ConsumeTag(src)
	if n < 0 {
		return 0, protowire.ParseError(n)
	}
	if kind != protowire.BytesType {
		return skipField(number, kind, src, n)
	}
	value, m := protowire.ConsumeBytes(src[n:])
	if m < 0 {
		return 0, protowire.ParseError(m)
	}
	switch number {
	case aggregatePartitionKeys:
		d.partitionKeys = append(d.partitionKeys, value)
	case aggregateHashKeys:
		d.hashKeys = append(d.hashKeys, value)
	case aggregateRecords:
		if len(d.indices) == maxAggregated {
			return 0, errAggregateMany
		}
		if err := d.record(value); err != nil {
			return 0, err
		}
	}
	return n + m, nil
}

func (d *deaggregation) record(src []byte) error {
	var record Aggregated
	var keys keyIndices
	hasKey := false
	for len(src) > 0 {
		number, kind, n := protowire.ConsumeTag(src)
		if n < 0 {
			return protowire.ParseError(n)
		}
		m := 0
		switch {
		case number == recordPartitionKey && kind == protowire.VarintType:
			keys.partitionKey, m = protowire.ConsumeVarint(src[n:])
			hasKey = true
		case number == recordHashKey && kind == protowire.VarintType:
			keys.hashKey, m = protowire.ConsumeVarint(src[n:])
			keys.hasHashKey = true
		case number == recordData && kind == protowire.BytesType:
			record.Data, m = protowire.ConsumeBytes(src[n:])
		default:
			m = protowire.ConsumeFieldValue(number, kind, src[n:])
		}
		if m < 0 {
			return protowire.ParseError(m)
		}
		src = src[n+m:]
	}
	if !hasKey || record.Data == nil {
		return errAggregateData
	}
	d.records = append(d.records, record)
	d.indices = append(d.indices, keys)
	return nil
}

// resolve gives a record the keys that it points to.
func (d *deaggregation) resolve(at int, keys keyIndices) error {
	if keys.partitionKey >= uint64(len(d.partitionKeys)) || keys.hasHashKey && keys.hashKey >= uint64(len(d.hashKeys)) {
		return errAggregateIndex
	}
	d.records[at].PartitionKey = d.partitionKeys[keys.partitionKey]
	if keys.hasHashKey {
		d.records[at].HashKey = d.hashKeys[keys.hashKey]
	}
	return nil
}

func skipField(number protowire.Number, kind protowire.Type, src []byte, n int) (int, error) {
	m := protowire.ConsumeFieldValue(number, kind, src[n:])
	if m < 0 {
		return 0, protowire.ParseError(m)
	}
	return n + m, nil
}

// AppendAggregate appends an aggregate of the records to dst, with each key once
// in its table, as the KPL writes it.
func AppendAggregate(dst []byte, records []Aggregated) []byte {
	partitionKeys, hashKeys := keyTable{}, keyTable{}
	var body []byte
	for i := range records {
		body = partitionKeys.add(body, aggregatePartitionKeys, records[i].PartitionKey)
		if records[i].HashKey != nil {
			body = hashKeys.add(body, aggregateHashKeys, records[i].HashKey)
		}
	}
	var record []byte
	for i := range records {
		record = protowire.AppendTag(record[:0], recordPartitionKey, protowire.VarintType)
		record = protowire.AppendVarint(record, partitionKeys[string(records[i].PartitionKey)])
		if records[i].HashKey != nil {
			record = protowire.AppendTag(record, recordHashKey, protowire.VarintType)
			record = protowire.AppendVarint(record, hashKeys[string(records[i].HashKey)])
		}
		record = protowire.AppendTag(record, recordData, protowire.BytesType)
		record = protowire.AppendBytes(record, records[i].Data)
		body = protowire.AppendTag(body, aggregateRecords, protowire.BytesType)
		body = protowire.AppendBytes(body, record)
	}
	sum := md5.Sum(body) //nolint:gosec // see the import
	dst = append(append(dst, aggregateMagic...), body...)
	return append(dst, sum[:]...)
}

// keyTable is where each key stands.
type keyTable map[string]uint64

// add appends a key to body as an entry of the table, once.
func (t keyTable) add(body []byte, field protowire.Number, key []byte) []byte {
	if _, known := t[string(key)]; known {
		return body
	}
	t[string(key)] = uint64(len(t))
	body = protowire.AppendTag(body, field, protowire.BytesType)
	return protowire.AppendBytes(body, key)
}
