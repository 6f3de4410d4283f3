import { describe, expect, it } from 'vitest';
import { createErasureMatcher } from '../../../domain/erasure-match.ts';
import { lead, opportunity } from './sound.ts';

const EMAIL = { kind: 'email', email: 'Ada@Example.com' } as const;

describe('a message that failed', () => {
  it('is about a person by the address, however it is written', () => {
    const { isAbout } = createErasureMatcher(EMAIL, []);
    expect(isAbout(lead({ email: ' ADA@example.com' }))).toBe(true);
    expect(isAbout(lead({ email: 'bada@example.com' }))).toBe(false);
    expect(isAbout(lead({ email: null }))).toBe(false);
    expect(isAbout(opportunity())).toBe(false);
  });

  it('is about a record of its organization, by whichever of the two it states', () => {
    const { isAbout } = createErasureMatcher(EMAIL, [{ entity: 'lead', id: 'l-1', organizationId: 'org-1' }]);
    const other = { email: 'other@example.com', id: 'l-1' };
    expect(isAbout(lead(other, { organizationId: 'org-1' }))).toBe(true);
    expect(isAbout(lead({ ...other, organizationId: 'org-1' }, { organizationId: 'org-9' }))).toBe(true);
    expect(isAbout(lead({ ...other, organizationId: 'org-9' }, { organizationId: 'org-9' }))).toBe(false);
    expect(isAbout(lead({ ...other, id: 'l-2' }, { organizationId: 'org-1' }))).toBe(false);
  });

  it('is about a record of any organization where none was named', () => {
    const subject = { kind: 'records', entity: 'lead', ids: ['l-1'], organizationId: null } as const;
    const { isAbout } = createErasureMatcher({ ...subject, ids: ['l-1'] }, [
      { entity: 'lead', id: 'l-1', organizationId: null },
    ]);
    expect(isAbout(lead({ id: 'l-1' }, { organizationId: 'anybody' }))).toBe(true);
    expect(isAbout(opportunity({}, { organizationId: 'anybody' }))).toBe(false);
  });

  it('is about an organization', () => {
    const { isAbout } = createErasureMatcher({ kind: 'organization', organizationId: 'org-7' }, []);
    expect(isAbout(lead({}, { organizationId: 'org-7' }))).toBe(true);
    expect(isAbout(lead({ organizationId: 'org-7' }, { organizationId: null }))).toBe(true);
    expect(isAbout(lead({ organizationId: 'org-8' }))).toBe(false);
  });

  it('mentions an address among bytes that nobody can read', () => {
    const { mentions } = createErasureMatcher(EMAIL, []);
    expect(mentions('\u0000\ufffd\u001eaDa@example.com\u0002')).toBe(true);
    expect(mentions('ada@example.org')).toBe(false);
    const byId = createErasureMatcher({ kind: 'records', entity: 'lead', ids: ['1'], organizationId: null }, []);
    expect(byId.mentions('1')).toBe(false);
  });
});
