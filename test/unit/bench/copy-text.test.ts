import { describe, expect, it } from 'vitest';
import { copyInputs, copyValue } from '../../../bench/contestants/copy-text.ts';
import type { StagedLead, StagedOpportunity } from '../../../domain/staging.ts';

const TIME = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

const base = {
  eventId: 'e-1',
  organizationId: 'org-1',
  eventTimestamp: TIME,
  createdAt: TIME,
  updatedAt: TIME,
  metadata: null,
  contentHash: 1,
};

const lead: StagedLead = {
  ...base,
  entity: 'lead',
  eventType: 'lead.created',
  leadId: 'l-1',
  firstName: 'Ada\tMary',
  lastName: 'Love\\lace',
  email: 'ada@example.com',
  phone: null,
  company: null,
  title: null,
  source: 'web',
  status: 'new',
  score: 7,
  assignedTo: null,
};

const opportunity: StagedOpportunity = {
  ...base,
  eventId: 'e-2',
  entity: 'opportunity',
  eventType: 'opportunity.won',
  opportunityId: 'o-1',
  name: 'Engine',
  leadId: null,
  contactId: null,
  amount: '12.50',
  currency: 'EUR',
  stage: 'won',
  probability: 100,
  expectedCloseDate: 1,
};

describe('copyValue', () => {
  it('escapes what would end a value or a row, and tells null from the text', () => {
    expect(copyValue('a\tb\nc\rd\\e')).toBe('a\\tb\\nc\\rd\\\\e');
    expect(copyValue(null)).toBe('\\N');
    expect(copyValue('\\N')).toBe('\\\\N');
    expect(copyValue(0)).toBe('0');
  });
});

describe('copyInputs', () => {
  it('makes a COPY for each table, with a value for each column', () => {
    const inputs = copyInputs([lead, opportunity, { ...lead, eventId: 'e-3' }], 'run');
    expect(inputs.map(({ entity }) => entity)).toEqual(['lead', 'opportunity']);
    const rows = inputs.map(({ columns, text }) =>
      text
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => Object.fromEntries(line.split('\t').map((value, index) => [columns[index], value]))),
    );
    expect(rows[0]?.map(({ event_id }) => event_id)).toEqual(['e-1', 'e-3']);
    expect(rows[0]?.[0]).toMatchObject({
      first_name: 'Ada\\tMary',
      last_name: 'Love\\\\lace',
      phone: '\\N',
      score: '7',
    });
    expect(rows[1]?.[0]).toMatchObject({
      event_timestamp: '2026-01-02T03:04:05.006Z',
      expected_close_date: '1970-01-02',
      amount: '12.50',
      ingestion_id: 'run',
    });
  });
});
