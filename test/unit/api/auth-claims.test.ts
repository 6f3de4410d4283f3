import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClaimError, principalOf } from '../../../api/auth/claims.ts';
import { permissionsOf } from '../../../domain/permissions.ts';

const NAMES = { rolesClaim: 'roles', organizationsClaim: 'organizations' };
const of = (claims: Record<string, unknown>, names = NAMES) => principalOf({ sub: 'ann', ...claims }, names);

describe('roles', () => {
  it.each<[string, unknown, string[]]>([
    ['a list', ['viewer', 'pii:read'], ['viewer', 'pii:read']],
    ['texts with spaces between', 'viewer  pii:read', ['viewer', 'pii:read']],
    ['none', undefined, []],
    ['null', null, []],
    ['an empty list', [], []],
    ['unknown ones', ['root', 'constructor', '__proto__'], []],
    ['others among them', ['offline_access', 'operator'], ['operator']],
  ])('as %s', (_, roles, meant) => {
    expect(of({ roles }).permissions).toEqual(permissionsOf(meant));
  });

  it.each<[string, unknown]>([
    ['an object', { admin: true }],
    ['a number', 1],
    ['true', true],
    ['a list of other things', ['viewer', 1]],
    ['a list of lists', [['admin']]],
  ])('as %s are refused', (_, roles) => {
    expect(() => of({ roles })).toThrow(new ClaimError('roles'));
  });

  it('are found below other claims, or under a name with dots', () => {
    const nested = { realm_access: { roles: ['viewer'] } };
    const viewer = permissionsOf(['viewer']);
    expect(of(nested, { ...NAMES, rolesClaim: 'realm_access.roles' }).permissions).toEqual(viewer);
    const namespaced = { 'https://crm.example.com/roles': ['viewer'] };
    expect(of(namespaced, { ...NAMES, rolesClaim: 'https://crm.example.com/roles' }).permissions).toEqual(viewer);
  });

  it('are never what objects inherit', () => {
    for (const rolesClaim of ['constructor.name', '__proto__.x', 'toString', 'realm_access.constructor']) {
      expect(of({ realm_access: {} }, { ...NAMES, rolesClaim }).permissions).toEqual(new Set());
    }
    const polluted = JSON.parse('{"__proto__": {"roles": ["admin"], "organizations": "*"}}') as Record<string, unknown>;
    expect(principalOf(Object.assign(polluted, { sub: 'ann' }), NAMES)).toMatchObject({
      permissions: new Set(),
      organizations: [],
    });
  });
});

describe('organizations', () => {
  it.each<[string, unknown, string[] | null]>([
    ['none', undefined, []],
    ['null', null, []],
    ['an empty list', [], []],
    ['an empty text', '', []],
    ['one', 'org-1', ['org-1']],
    ['several', 'org-1 org-2', ['org-1', 'org-2']],
    ['a list', ['org-1', 'org-2', 'org-1'], ['org-1', 'org-2']],
    ['a list with spaces in an id', ['org 1'], ['org 1']],
    ['everything', '*', null],
    ['everything in a list', ['*'], null],
  ])('as %s', (_, organizations, meant) => {
    expect(of({ organizations }).organizations).toEqual(meant);
  });

  it.each<[string, unknown]>([
    ['everything and one', ['*', 'org-1']],
    ['everything and one, as text', '* org-1'],
    ['an object', { 'org-1': {} }],
    ['true', true],
    ['zero', 0],
    ['a list with null', ['org-1', null]],
    ['an empty id', ['']],
    ['a control character', ['org-1\u0000']],
    ['a line break', ['org-1\norg-2']],
    ['what reads backwards', ['org\u202e1']],
    ['half a character', ['org\ud800']],
    ['a long id', ['x'.repeat(101)]],
    ['too many', Array.from({ length: 101 }, (_, index) => `org-${index}`)],
  ])('as %s are refused', (_, organizations) => {
    expect(() => of({ organizations })).toThrow(new ClaimError('organizations'));
  });
});

describe('names', () => {
  it.each(['ann', 'ann@example.com', '0b5e8c1e-8f3b-4f6e-9d59-4d3f0f0f7c11', 'Zoë Ångström', 'x'.repeat(255)])(
    'are taken as they are: %s',
    (sub) => expect(of({ sub }).name).toBe(sub),
  );

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['an empty text', ''],
    ['spaces', '  '],
    ['spaces around', ' ann'],
    ['a number', 7],
    ['a list', ['ann']],
    ['a line break', 'ann\nroot'],
    ['a NUL', 'ann\u0000'],
    ['a zero-width space', 'an\u200bn'],
    ['256 characters', 'x'.repeat(256)],
    ['the name of an API key', 'key:nightly-export'],
  ])('are refused: %s', (_, sub) => {
    expect(() => of({ sub })).toThrow(new ClaimError('sub'));
  });
});

describe('whatever a token claims', () => {
  const key = fc.constantFrom('sub', 'roles', 'organizations', '__proto__', 'constructor', 'realm_access');
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('*', 'admin', 'org-1', '__proto__', 'key:a'));
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof({ maxDepth: 3 }, text, fc.double(), fc.boolean(), fc.constant(null), tie('list'), tie('object')),
    list: fc.array(tie('json'), { maxLength: 4 }),
    object: fc.dictionary(fc.oneof(key, text), tie('json'), { maxKeys: 4 }),
  }));
  const claims = fc.dictionary(key, json, { maxKeys: 6 });
  const own = (from: object, name: string): unknown => Object.getOwnPropertyDescriptor(from, name)?.value;

  it('gives nothing that it does not name', () => {
    fc.assert(
      fc.property(claims, fc.constantFrom('roles', 'realm_access.roles', 'constructor'), (found, rolesClaim) => {
        let principal: ReturnType<typeof principalOf>;
        try {
          principal = principalOf(found, { ...NAMES, rolesClaim });
        } catch (error) {
          expect(error).toBeInstanceOf(ClaimError);
          return;
        }
        expect(principal.name).toBe(own(found, 'sub'));
        if (principal.organizations === null) {
          const claim = own(found, 'organizations');
          const named = Array.isArray(claim)
            ? claim
            : String(claim)
                .split(' ')
                .filter((id) => id !== '');
          expect(new Set(named)).toEqual(new Set(['*']));
        }
        if (principal.permissions.size > 0) expect(JSON.stringify(found)).toMatch(/"[^"]*admin[^"]*"/);
      }),
      { numRuns: 2_000 },
    );
  });
});
