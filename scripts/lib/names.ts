/** What generated people and companies are called: names of many scripts, since real ones are. */
import type { Choices } from './random.ts';

interface Name {
  text: string;
  /** For e-mail addresses. */
  latin: string;
}

const name = (text: string, latin: string): Name => ({ text, latin });

export const FIRST_NAMES: Choices<Name> = [
  name('Ada', 'ada'),
  name('Zoë', 'zoe'),
  name('José', 'jose'),
  name('Søren', 'soren'),
  name('Łukasz', 'lukasz'),
  name('Ольга', 'olga'),
  name('Ελένη', 'eleni'),
  name('محمد', 'mohammed'),
  name('נועה', 'noa'),
  name('अनन्या', 'ananya'),
  name('明', 'ming'),
  name('さくら', 'sakura'),
  name('지우', 'jiwoo'),
  name('Nguyễn', 'nguyen'),
  name('Chidi', 'chidi'),
  name('Anne-Marie', 'anne-marie'),
];

export const LAST_NAMES: Choices<Name> = [
  name('Lovelace', 'lovelace'),
  name("O'Brien", 'obrien'),
  name('Müller', 'mueller'),
  name('Nuñez', 'nunez'),
  name('Sørensen', 'sorensen'),
  name('Wałęsa', 'walesa'),
  name('Иванова', 'ivanova'),
  name('Παπαδοπούλου', 'papadopoulou'),
  name('الفارسي', 'alfarsi'),
  name('כהן', 'cohen'),
  name('शर्मा', 'sharma'),
  name('王', 'wang'),
  name('鈴木', 'suzuki'),
  name('김', 'kim'),
  name('Okonkwo', 'okonkwo'),
  name('van der Berg', 'vanderberg'),
];

export const COMPANIES: Choices<string> = [
  'Ærø Vindkraft A/S',
  'Bäckerei Groß & Söhne',
  'Café 🌱 Verde',
  'Conservas Ibéricas, S.L.',
  'Éditions du Phare',
  'Harbour & Sons Ltd.',
  'Mwangaza Solar',
  'Ångström Instruments AB',
  'АО «Север»',
  '東海精密株式会社',
  '한빛소프트',
  '南方光电有限公司',
];

export const JOB_TITLES: Choices<string | null> = [
  'Head of Purchasing',
  'Geschäftsführerin',
  'Directeur financier',
  'CTO',
  '経理部長',
  null,
];

export const LEAD_SOURCES: Choices<string> = ['web', 'partner', 'trade fair', 'referral', 'cold call'];

export const CURRENCIES: Choices<string> = ['EUR', 'USD', 'GBP', 'JPY', 'PLN'];
