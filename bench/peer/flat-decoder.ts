// Flat records of the Confluent wire format into columns.
import type { Type } from 'avsc';
import type { LogSlice } from '../../activities/ports.ts';
import type { RegistryClient } from '../../adapters/registry/client.ts';
import type { FlatEvent } from './topic.ts';

const HEADER_BYTES = 5;

/** The rows of a batch, column by column. */
export interface FlatColumns {
  eventId: string[];
  eventType: string[];
  organizationId: string[];
  /** Epoch milliseconds. */
  eventTimestamp: number[];
  source: Array<string | null>;
  version: Array<string | null>;
  correlationId: Array<string | null>;
  /** JSON. */
  data: string[];
}

/** @throws RegistryUnavailableError; Error for a record that is none of the benchmark's */
export type FlatDecoder = (slices: readonly LogSlice[]) => Promise<FlatColumns>;

/** Decodes by the schema that each record names, asked for once. */
export function createFlatDecoder(registry: Pick<RegistryClient, 'schemaById'>): FlatDecoder {
  const types = new Map<number, Type>();

  async function load(schemaId: number): Promise<Type> {
    const answer = await registry.schemaById(schemaId);
    if (!answer.found) throw new Error(`schema ${schemaId}: ${answer.detail}`);
    types.set(schemaId, answer.type);
    return answer.type;
  }

  return async (slices) => {
    const columns = noRows();
    for (const { records } of slices) {
      for (const { value } of records) {
        if (value === null || value[0] !== 0)
          throw new Error('the topic holds a record that the benchmark did not send');
        const schemaId = value.readInt32BE(1);
        const type = types.get(schemaId) ?? (await load(schemaId));
        push(columns, type.fromBuffer(value.subarray(HEADER_BYTES)) as FlatEvent);
      }
    }
    return columns;
  };
}

function push(columns: FlatColumns, event: FlatEvent): void {
  columns.eventId.push(event.event_id);
  columns.eventType.push(event.event_type);
  columns.organizationId.push(event.organization_id);
  columns.eventTimestamp.push(event.event_timestamp);
  columns.source.push(event.source);
  columns.version.push(event.version);
  columns.correlationId.push(event.correlation_id);
  columns.data.push(event.data);
}

function noRows(): FlatColumns {
  return {
    eventId: [],
    eventType: [],
    organizationId: [],
    eventTimestamp: [],
    source: [],
    version: [],
    correlationId: [],
    data: [],
  };
}
